package lab

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSharesDivideTheRuns(t *testing.T) {
	cs := grid(4).Configs()
	for _, n := range []int{1, 3, 8, 50} {
		seen := make(map[string]int)
		for i := range n {
			share := Shard{i + 1, n}.of(cs)
			require.LessOrEqual(t, len(share), (len(cs)+n-1)/n)
			for _, c := range share {
				seen[c.ID()]++
			}
		}
		require.Len(t, seen, len(cs))
		for id, times := range seen {
			require.Equal(t, 1, times, id)
		}
	}
}

func TestAnEmptyShareHasNothingToDo(t *testing.T) {
	lab := Lab{Text: corpus(t, verse), Dir: t.TempDir(), Jobs: 1}
	cs := grid(4).Configs()[:1]
	require.NoError(t, lab.Run(t.Context(), cs))
	pending, _, err := lab.Pending(Shard{2, 2}.of(cs))
	require.NoError(t, err)
	require.Empty(t, pending)
}

// TestSlurmTasksTakeTheirShare checks that a task's share is its index in the array.
func TestSlurmTasksTakeTheirShare(t *testing.T) {
	type env map[string]string
	largest, smallest := fmt.Sprint(math.MaxInt), fmt.Sprint(math.MinInt)
	wrong := func(id string, tasks int, first string, step int) string {
		return fmt.Sprintf("SLURM_ARRAY_TASK_ID is %s, want the id of one of %d tasks from %s in steps of %d: give -shard",
			id, tasks, first, step)
	}
	for _, c := range []struct {
		name string
		env  env
		want Shard
		err  string
	}{
		{"no Slurm", nil, Shard{}, ""},
		{"from 0", env{"ID": "7", "COUNT": "8", "MIN": "0", "STEP": "1"}, Shard{8, 8}, ""},
		{"from 1", env{"ID": "1", "COUNT": "8", "MIN": "1", "STEP": "1"}, Shard{1, 8}, ""},
		{"in steps", env{"ID": "14", "COUNT": "4", "MIN": "2", "STEP": "4"}, Shard{4, 4}, ""},
		{"a list with gaps", env{"ID": "9", "COUNT": "2", "MIN": "1", "STEP": "1"}, Shard{}, wrong("9", 2, "1", 1)},
		{"a first id above the id", env{"ID": smallest, "COUNT": "8", "MIN": largest, "STEP": "1"}, Shard{},
			wrong(smallest, 8, largest, 1)},
		{"a difference that overflows", env{"ID": largest, "COUNT": "8", "MIN": "-5", "STEP": "10"}, Shard{},
			wrong(largest, 8, "-5", 10)},
		{"the largest id", env{"ID": largest, "COUNT": "8", "MIN": "0", "STEP": "1"}, Shard{}, wrong(largest, 8, "0", 1)},
		{"no number", env{"ID": "x"}, Shard{}, `SLURM_ARRAY_TASK_ID is "x", want a number`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := slurmShard(func(name string) string { return c.env[strings.TrimPrefix(name, "SLURM_ARRAY_TASK_")] })
			if c.err != "" {
				require.EqualError(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestSharesOfAnyNumber(t *testing.T) {
	t.Parallel()
	cs := grid(4).Configs()
	require.Equal(t, cs[1:2], Shard{2, math.MaxInt}.of(cs))
	require.Empty(t, Shard{math.MaxInt, math.MaxInt}.of(cs))
	require.Equal(t, cs, Shard{}.of(cs), "0 shares are all runs")
	require.Empty(t, Shard{0, 3}.of(cs))
	require.Empty(t, Shard{math.MinInt, 3}.of(cs))
}
