package benchmark

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTable(t *testing.T) {
	tab := newTable("norm", "none", "µs")
	tab.add("LayerNorm", missing, "12")
	tab.add("–", missing, missing)
	var b bytes.Buffer
	require.NoError(t, tab.write(&b))
	require.Equal(t, "| norm      | µs |\n|-----------|---:|\n| LayerNorm | 12 |\n| –         |  – |\n", b.String())
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{
		nan: "–", 0: "0.00", 1.234: "1.23", 9.996: "10.0", 12.34: "12.3", 99.96: "100", 1234.5: "1234",
	} {
		require.Equal(t, want, number(v))
	}
	for v, want := range map[float64]string{nan: "–", 1.5e-6: "1.50 µs", 12e-3: "12.0 ms", 3: "3.00 s"} {
		require.Equal(t, want, duration(v))
	}
}
