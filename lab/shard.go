package main

import (
	"fmt"
	"strconv"
)

// shard is a share of the runs, the i-th of n from 1; n is 0 for all of them.
type shard struct{ i, n int }

func (s *shard) String() string {
	if s.n == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.i, s.n)
}

// Set reads "2/8".
func (s *shard) Set(text string) error {
	var rest string
	if n, _ := fmt.Sscanf(text+" ", "%d/%d%s", &s.i, &s.n, &rest); n != 2 || s.n < 1 || s.i < 1 || s.i > s.n {
		return fmt.Errorf("want i/n with i from 1 to n, as 2/8")
	}
	return nil
}

// slurmShard is the share of a task of a Slurm job array (sbatch(1), output
// environment variables): its place among the array's tasks. n is 0 elsewhere.
func slurmShard(getenv func(string) string) (s shard, err error) {
	if getenv("SLURM_ARRAY_TASK_ID") == "" {
		return s, nil
	}
	read := func(name string, otherwise int) (v int) {
		text := getenv(name)
		if text == "" {
			return otherwise
		}
		v, e := strconv.Atoi(text)
		if e != nil && err == nil {
			err = fmt.Errorf("%s is %q, want a number", name, text)
		}
		return v
	}
	id, first, step := read("SLURM_ARRAY_TASK_ID", 0), read("SLURM_ARRAY_TASK_MIN", 0), read("SLURM_ARRAY_TASK_STEP", 1)
	s.n = read("SLURM_ARRAY_TASK_COUNT", 1)
	if err == nil {
		at := (id - first) / max(1, step)
		s.i = at + 1
		if id < first || id-first < 0 || at >= s.n { // a difference that wraps is negative
			err = fmt.Errorf("SLURM_ARRAY_TASK_ID is %d, which is none of %d tasks from %d in steps of %d: give -shard", id, s.n, first, step)
		}
	}
	return s, err
}
