// Package report turns the records of training runs into a table for the
// terminal and into one HTML page. It knows runs by their records, of package runlog, and
// nothing of how they are made.
//
// Runs that share norm, placement and qk-norm are one variant. Where a variant has
// several, over learning rates and seeds, it is the variants that are compared.
package report
