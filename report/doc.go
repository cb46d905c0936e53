// Package report turns the records of training runs into a table for the
// terminal and into one HTML page. It reads what package train writes and knows
// nothing of how runs are made.
package report
