package lab

import (
	"fmt"
	"strconv"

	"gorgonorm/runlog"
)

// Shard is a share of the runs: every N-th run, from the I-th on. I counts from 1. The zero
// Shard has all runs.
type Shard struct{ I, N int }

// of returns the runs of the share.
func (s Shard) of(cs []runlog.Config) (share []runlog.Config) {
	if s.N == 0 {
		return cs
	}
	for at, c := range cs {
		if at%s.N == s.I-1 {
			share = append(share, c)
		}
	}
	return share
}

func (s *Shard) String() string {
	if s.N == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.I, s.N)
}

// Set reads "2/8".
func (s *Shard) Set(text string) error {
	var rest string
	if n, _ := fmt.Sscanf(text+" ", "%d/%d%s", &s.I, &s.N, &rest); n != 2 || s.N < 1 || s.I < 1 || s.I > s.N {
		return fmt.Errorf("want i/n with i from 1 to n, such as 2/8")
	}
	return nil
}

// slurmShard returns the share of a task of a Slurm job array, by its place among the tasks
// (sbatch(1), output environment variables). In other processes it returns the zero Shard.
func slurmShard(getenv func(string) string) (s Shard, err error) {
	if getenv("SLURM_ARRAY_TASK_ID") == "" {
		return s, nil
	}
	read := func(name string, unset int) (v int) {
		text := getenv(name)
		if text == "" {
			return unset
		}
		v, e := strconv.Atoi(text)
		if e != nil && err == nil {
			err = fmt.Errorf("%s is %q, want a number", name, text)
		}
		return v
	}
	id, first, step := read("SLURM_ARRAY_TASK_ID", 0), read("SLURM_ARRAY_TASK_MIN", 0), read("SLURM_ARRAY_TASK_STEP", 1)
	s.N = read("SLURM_ARRAY_TASK_COUNT", 1)
	if err == nil {
		at := (id - first) / max(1, step)
		s.I = at + 1
		if id < first || id-first < 0 || at >= s.N { // id-first is negative if it overflows
			err = fmt.Errorf("SLURM_ARRAY_TASK_ID is %d, want the id of one of %d tasks from %d in steps of %d: give -shard",
				id, s.N, first, step)
		}
	}
	return s, err
}
