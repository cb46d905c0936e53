package results

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"gorgonorm/runlog"
)

func TestChance(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{2: "33 %", 3: "10 %", 4: "2.9 %", 5: "0.79 %"} {
		assert.Equal(t, want, fmt.Sprintf("%.2g %%", Chance(n)), "%d seeds", n)
	}
}

// TestChanceByCounting counts, of all ways to split 2n ranks into two halves, those in
// which the halves are apart.
func TestChanceByCounting(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 3, 4} {
		all, apart := 0, 0
		for mask := range 1 << (2 * n) {
			var a, b []runlog.Float
			for i := range 2 * n {
				if mask>>i&1 == 1 {
					a = append(a, runlog.Float(i))
				} else {
					b = append(b, runlog.Float(i))
				}
			}
			if len(a) != n {
				continue
			}
			all++
			if runlog.Below(a, b) || runlog.Below(b, a) {
				apart++
			}
		}
		assert.Equal(
			t, fmt.Sprintf("%.2g %%", 100*float64(apart)/float64(all)), fmt.Sprintf("%.2g %%", Chance(n)), "%d seeds",
			n,
		)
	}
}

func TestFewest(t *testing.T) {
	t.Parallel()
	type f = []runlog.Float
	for _, c := range []struct {
		samples []f
		want    int
	}{
		{nil, 0},
		{[]f{nil, {1}}, 0},
		{[]f{{1, 2, 3}, {1}, {1, 2}, nil}, 2},
		{[]f{{1, 2, 3}, {1, 2, 3, 4}}, 3},
	} {
		assert.Equal(t, c.want, fewest(c.samples...))
	}
}
