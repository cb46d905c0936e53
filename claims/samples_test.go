package claims

import (
	"context"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestX(t *testing.T) {
	for _, c := range All {
		if os.Getenv("CLAIM") != c.Name {
			continue
		}
		b := &Bench{Settings: Settings{Seeds: []uint64{1, 2, 3, 4, 5}, Quick: os.Getenv("QUICK") != ""}, Dir: "/tmp/claims/runs"}
		m, err := c.measure(context.Background(), b)
		require.NoError(t, err)
		data, err := json.Marshal(m)
		require.NoError(t, err)
		m, err = c.decode(data)
		require.NoError(t, err)
		for _, j := range c.judge(m) {
			t.Logf("%+v", j)
		}
		c.figures(m)
	}
}
