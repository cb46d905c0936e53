package train

import (
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var kills = flag.Int("kills", 20, "`number` of times that TestAKilledRunGoesOn kills")

// TestAKilledRunGoesOn kills a process that trains, at random moments, of which many are inside of a
// save, and starts it again until it ends. What it leaves must be that of a run that nobody killed.
func TestAKilledRunGoesOn(t *testing.T) {
	const dirVariable = "GORGONORM_TEST_KILLED_RUN"
	text, c := corpus(t, verse), stateful("batch")
	text.Path = "text.txt" // wherever it is
	c.Steps = 400
	if dir := os.Getenv(dirVariable); dir != "" {
		m, r, err := Train(t.Context(), c, text, nil, WithCheckpoints(Checkpoints{Dir: dir, Every: Interval{Steps: 1}}))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "left"), []byte(left(t, m, r)), 0o666))
		return
	}
	if testing.Short() {
		t.Skip("starts many processes")
	}
	t.Parallel()
	m, r, err := Train(t.Context(), c, text, nil)
	require.NoError(t, err)
	want := left(t, m, r)
	dir := t.TempDir()
	moments := rand.New(rand.NewPCG(1, 7))
	done, within := 0, 0
	for done < *kills {
		process := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
		process.Env = append(os.Environ(), dirVariable+"="+dir)
		require.NoError(t, process.Start())
		before := last(dir)
		require.Eventually(t, func() bool { return last(dir) != before || finished(dir) },
			time.Minute, time.Millisecond, "a step, or killing would not end")
		time.Sleep(time.Duration(moments.IntN(20_000)) * time.Microsecond)
		require.NoError(t, process.Process.Kill())
		if err := process.Wait(); err == nil || !errors.As(err, new(*exec.ExitError)) {
			require.NoError(t, err)
		}
		if finished(dir) {
			b, err := os.ReadFile(filepath.Join(dir, "left"))
			require.NoError(t, err)
			if string(b) == want || len(b) < len(want) && strings.HasPrefix(want, string(b)) {
				require.NoError(t, os.RemoveAll(dir))
				require.NoError(t, os.Mkdir(dir, 0o777))
				continue
			}
			require.Equal(t, want, string(b))
		}
		done++
		if half, _ := filepath.Glob(filepath.Join(dir, ".step*")); len(half) > 0 {
			within++
			require.Len(t, half, 1, "the next process removes what others left")
		}
	}
	t.Logf("killed %d times, %d of them while it saved", done, within)
	require.Positive(t, within)
	m, r, err = Train(t.Context(), c, text, nil, WithCheckpoints(Checkpoints{Dir: dir}))
	require.NoError(t, err)
	require.Equal(t, want, left(t, m, r))
}

// last returns the step of the last checkpoint.
func last(dir string) int {
	all, _ := steps(dir)
	return append(all, 0)[0]
}

func finished(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "left"))
	return err == nil
}
