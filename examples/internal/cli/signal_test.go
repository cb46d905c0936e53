//go:build unix

package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// asProgram is set for a process of the tests that is the program.
const asProgram = "GORGONORM_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "" {
		os.Exit(m.Run())
	}
	Main(func(ctx context.Context, _ []string, stdout, _ io.Writer) int {
		fmt.Fprintln(stdout, "running")
		<-ctx.Done()
		fmt.Fprintln(stdout, "stopping")
		time.Sleep(3 * oneSignal) // writes its results
		return Interrupted
	})
}

// TestSignals: signals that come together are one, after which the program ends in order. One that
// comes later ends it at once.
func TestSignals(t *testing.T) {
	if testing.Short() {
		t.Skip("the program takes seconds to end")
	}
	t.Parallel()
	for name, c := range map[string]struct {
		pause  time.Duration
		signal syscall.Signal // that ends the program, 0 for none
	}{
		"together":        {0, 0},
		"almost together": {oneSignal / 3, 0},
		"later":           {oneSignal * 2, syscall.SIGINT},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := exec.Command(os.Args[0])
			program.Env = append(os.Environ(), asProgram+"=1")
			out, err := program.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, program.Start())
			lines := bufio.NewScanner(out)
			require.True(t, lines.Scan())
			require.NoError(t, program.Process.Signal(syscall.SIGINT))
			require.True(t, lines.Scan())
			require.Equal(t, "stopping", lines.Text())
			time.Sleep(c.pause)
			require.NoError(t, program.Process.Signal(syscall.SIGINT))
			require.Error(t, program.Wait())
			status := program.ProcessState.Sys().(syscall.WaitStatus)
			if c.signal != 0 {
				require.Equal(t, c.signal, status.Signal())
			} else {
				require.Equal(t, Interrupted, status.ExitStatus())
			}
		})
	}
}
