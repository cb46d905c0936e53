package lab

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestShardsPartTheRuns(t *testing.T) {
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

// TestSlurmTasksTakeTheirShare by their place in the array.
func TestSlurmTasksTakeTheirShare(t *testing.T) {
	for _, c := range []struct {
		name string
		env  map[string]string
		want Shard
		err  string
	}{
		{"no Slurm", nil, Shard{}, ""},
		{"from 0", map[string]string{"ID": "7", "COUNT": "8", "MIN": "0", "STEP": "1"}, Shard{8, 8}, ""},
		{"from 1", map[string]string{"ID": "1", "COUNT": "8", "MIN": "1", "STEP": "1"}, Shard{1, 8}, ""},
		{"in steps", map[string]string{"ID": "14", "COUNT": "4", "MIN": "2", "STEP": "4"}, Shard{4, 4}, ""},
		{"a list with gaps", map[string]string{"ID": "9", "COUNT": "2", "MIN": "1", "STEP": "1"}, Shard{9, 2}, "SLURM_ARRAY_TASK_ID is 9, which is none of 2 tasks from 1 in steps of 1: give -shard"},
		{"a place that wraps", map[string]string{"ID": fmt.Sprint(math.MinInt), "COUNT": "8", "MIN": fmt.Sprint(math.MaxInt), "STEP": "1"}, Shard{},
			fmt.Sprintf("SLURM_ARRAY_TASK_ID is %d, which is none of 8 tasks from %d in steps of 1: give -shard", math.MinInt, math.MaxInt)},
		{"a distance that wraps", map[string]string{"ID": fmt.Sprint(math.MaxInt), "COUNT": "8", "MIN": "-5", "STEP": "10"}, Shard{},
			fmt.Sprintf("SLURM_ARRAY_TASK_ID is %d, which is none of 8 tasks from -5 in steps of 10: give -shard", math.MaxInt)},
		{"the last place", map[string]string{"ID": fmt.Sprint(math.MaxInt), "COUNT": "8", "MIN": "0", "STEP": "1"}, Shard{},
			fmt.Sprintf("SLURM_ARRAY_TASK_ID is %d, which is none of 8 tasks from 0 in steps of 1: give -shard", math.MaxInt)},
		{"no number", map[string]string{"ID": "x"}, Shard{}, `SLURM_ARRAY_TASK_ID is "x", want a number`},
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

// TestAShareOfAnyNumberIsWithinTheRuns.
func TestAShareOfAnyNumberIsWithinTheRuns(t *testing.T) {
	t.Parallel()
	cs := grid(4).Configs()
	require.Equal(t, cs[1:2], Shard{2, math.MaxInt}.of(cs))
	require.Empty(t, Shard{math.MaxInt, math.MaxInt}.of(cs))
	require.Equal(t, cs, Shard{}.of(cs), "0 shares are all runs")
	require.Empty(t, Shard{0, 3}.of(cs))
	require.Empty(t, Shard{math.MinInt, 3}.of(cs))
}
