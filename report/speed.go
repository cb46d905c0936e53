package report

import (
	"fmt"
	"io"
	"strings"

	"gorgonorm/runlog"
)

// Speed writes one line: the tokens that each variant trains on in a second,
// median over its runs. It stands apart from Table and HTML, for the same run is
// faster or slower another time.
func Speed(w io.Writer, runs []runlog.Run) error {
	s, err := summarize(runs)
	if err != nil {
		return err
	}
	var told []string
	for _, v := range s.Variants {
		var speeds []runlog.Float
		for _, r := range s.Rows {
			if f := r.Speed.TokensPerSec; kindOf(r.Run) == v.kind && f.Finite() && f > 0 {
				speeds = append(speeds, f)
			}
		}
		told = append(told, v.Name+" "+speed(runlog.Median(speeds)))
	}
	if _, err := fmt.Fprintf(w, "Speed, tokens/s: %s\n", strings.Join(told, ", ")); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
