package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gorgonorm/train"
)

func render(t *testing.T, runs []train.Run) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, HTML(&b, runs))
	return b.String()
}

// svgs are the page's pictures, each well-formed.
func svgs(t *testing.T, page string) (out []string) {
	t.Helper()
	for _, rest := range strings.Split(page, "<svg")[1:] {
		body, _, closed := strings.Cut(rest, "</svg>")
		require.True(t, closed)
		out = append(out, "<svg"+body+"</svg>")
	}
	require.Len(t, out, 2)
	for _, s := range out {
		require.NoError(t, wellFormed(s))
	}
	return out
}

func wellFormed(s string) error {
	for d := xml.NewDecoder(strings.NewReader(s)); ; {
		if _, err := d.Token(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func TestHTML(t *testing.T) {
	runs := someRuns()
	page := render(t, runs)
	assert.Equal(t, page, render(t, runs), "two renderings differ")
	assert.NotContains(t, page, "NaN")
	assert.NotContains(t, page, "/somewhere", "a folder's name leaks")
	assert.NotContains(t, page, runs[0].Config.Vocabulary)
	assert.NotContains(t, page, "<?xml")
	assert.NotContains(t, page, " id=")
	assert.Contains(t, page, "29 characters")

	for _, svg := range svgs(t, page) {
		for _, color := range colors[:len(runs)] {
			r, g, b, _ := color.RGBA()
			curve := fmt.Sprintf("stroke:#%02X%02X%02X", r>>8, g>>8, b>>8)
			if r|g|b == 0 {
				curve = "stroke:#000000"
			}
			assert.Contains(t, svg, curve)
		}
		assert.Contains(t, svg, "none, diverged at step 57")
		assert.Contains(t, svg, `role="img" aria-label="`)
	}
}

// Table and page tell the same.
func TestHTMLAgreesWithTable(t *testing.T) {
	page := html.UnescapeString(render(t, someRuns()))
	s, err := summarize(someRuns())
	require.NoError(t, err)
	for _, cells := range s.Cells() {
		assert.Contains(t, page, ">"+cells[0]+"</th><td>"+strings.Join(cells[1:], "</td><td>")+"</td></tr>")
	}
	for _, sentence := range append(s.Verdict, s.Notes...) {
		assert.Contains(t, page, sentence)
	}
}

func TestHTMLOfEdges(t *testing.T) {
	for name, runs := range edgeRuns() {
		t.Run(name, func(t *testing.T) {
			page := render(t, runs)
			svgs(t, page)
			assert.NotContains(t, page, "NaN")
			assert.NotContains(t, page, "Inf")
			assert.NotContains(t, page, "<b>", "mark-up in a name is not escaped")
		})
	}
}

var (
	orange = regexp.MustCompile(`<path d="([^"]*)"\s+style="fill:none;stroke:#D55E00`)
	point  = regexp.MustCompile(`[ML]([^,]+),([^ML]+)`)
)

// However large a value, its curve stays between the axes.
func TestCurveStaysInFrame(t *testing.T) {
	run := made("batch", 1)
	run.Steps[3].Loss, run.Steps[3].GradNorm = 3e38, 3e38
	const axis = 40 // less than the labels below the axis take
	for _, svg := range svgs(t, render(t, []train.Run{run})) {
		paths := orange.FindAllStringSubmatch(svg, -1)
		require.NotEmpty(t, paths)
		for _, path := range paths {
			for _, m := range point.FindAllStringSubmatch(path[1], -1) {
				x, errX := strconv.ParseFloat(m[1], 64)
				y, errY := strconv.ParseFloat(m[2], 64)
				require.NoError(t, errors.Join(errX, errY), m[0])
				require.True(t, x >= axis && x <= float64(width) && y >= axis && y <= float64(height), m[0])
			}
		}
	}
}

func TestCompare(t *testing.T) {
	a, b := made("layer", 1), made("layer", 1)
	b.Config.LR = 0.01
	b.Config.Data = "/another/place/Isaac.Newton-Opticks.txt"
	shared, differ := compare([]train.Run{a, b})
	assert.Equal(t, []setting{{"lr", []string{"0.001", "0.01"}}}, differ)
	assert.Contains(t, shared, setting{"data", []string{"Isaac.Newton-Opticks.txt"}})
	assert.Contains(t, shared, setting{"vocabulary", []string{"29 characters"}})
	assert.Contains(t, shared, setting{"data sha256", []string{"0123456789ab"}})
}
