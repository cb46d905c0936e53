package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gorgonorm/report/internal/runtest"
)

// faults lists what is cut off: the document is wider than the window, a text is outside its
// drawing, or an entry of a legend outside its figure.
const faults = `(() => {
  const found = [], near = 1.5;
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide > 0) found.push("the page is " + wide + " pixels too wide");
  for (const text of document.querySelectorAll("svg text")) {
    const a = text.getBoundingClientRect(), b = text.closest("svg").getBoundingClientRect();
    if (a.left < b.left - near || a.right > b.right + near || a.top < b.top - near || a.bottom > b.bottom + near)
      found.push("text outside its drawing: " + text.textContent);
    const box = text.getBBox();
    if (!(box.width > 0)) found.push("text without a box: " + text.textContent);
  }
  for (const item of document.querySelectorAll(".legend li")) {
    const a = item.getBoundingClientRect(), b = item.closest("figure").getBoundingClientRect();
    if (a.right > b.right + near || item.scrollWidth > item.clientWidth + near)
      found.push("legend cut off: " + item.textContent);
  }
  for (const figure of document.querySelectorAll("figure")) {
    const style = getComputedStyle(figure);
    if (style.breakInside !== "avoid") found.push("a figure may be split");
  }
  return found;
})()`

// withFont makes everything use a font, which scripts then measure again.
const withFont = `(() => {
  const style = document.createElement("style");
  style.textContent = "* { font-family: '%s' !important }";
  document.head.append(style);
  dispatchEvent(new Event("newpage"));
})()`

// TestNothingIsCutOff at any width, in light and dark, printed, with and without scripts, and in
// several fonts.
func TestNothingIsCutOff(t *testing.T) {
	t.Parallel()
	three := []string{"DejaVu Sans", "Liberation Serif", "DejaVu Sans Mono"}
	fonts := map[string][]string{"large": three, "half-finished": three, "one-run": three}
	const paper = 703 // pixels of A4's width less the margins
	for name := range runtest.Pages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, l := range []look{
				{width: 390}, {width: 768}, {width: 1280}, {width: 1920}, {width: 1280, dark: true},
				{width: 390, noScripts: true}, {width: 1280, noScripts: true}, {width: paper, print: true},
				{width: paper, print: true, noScripts: true},
			} {
				p := open(t, name, l)
				assert.Empty(t, eval[[]string](p, faults), "%v", l)
			}
			for _, font := range fonts[name] {
				for _, l := range []look{{width: 390}, {width: 1280}, {width: 1280, noScripts: true}} {
					p := open(t, name, l)
					eval[any](p, fmt.Sprintf(withFont, font))
					assert.Empty(t, eval[[]string](p, faults), "%s, %v", font, l)
				}
			}
		})
	}
}

// TestPrintedPagesAreWhole: what a reader must open on the screen is open on paper, and no part of a
// table is behind a scroll bar.
func TestPrintedPagesAreWhole(t *testing.T) {
	t.Parallel()
	p := open(t, "large", look{width: 703, print: true})
	for what, hidden := range map[string]string{
		"details": `e.getBoundingClientRect().height < 60`,
		".wide":   `getComputedStyle(e).overflowX !== "visible"`,
		"table":   `e.getBoundingClientRect().right > innerWidth`,
	} {
		assert.Empty(t, eval[[]string](p, `[...document.querySelectorAll("`+what+`")]
			.filter(e => `+hidden+`).map(e => e.textContent.slice(0, 40))`), what)
	}
	assert.Equal(t, "none", eval[string](p, `getComputedStyle(document.querySelector("nav")).display`))
	dark := open(t, "large", look{width: 703, print: true, dark: true})
	paper := eval[string](dark, `getComputedStyle(document.body).backgroundColor`)
	assert.Equal(t, "rgb(255, 255, 255)", paper)
}

// TestTheAnswerIsOnTheFirstScreen of a desktop, with the map of losses and the figure by rate.
func TestTheAnswerIsOnTheFirstScreen(t *testing.T) {
	t.Parallel()
	for _, noScripts := range []bool{false, true} {
		p := open(t, "large", look{width: 1280, noScripts: noScripts})
		for _, what := range []string{"h1", "#map-loss table", "#figure-rate svg"} {
			bottom := eval[float64](p, fmt.Sprintf(`document.querySelector(%q).getBoundingClientRect().bottom`, what))
			assert.LessOrEqual(t, bottom, 900.0, what)
		}
	}
	phone := open(t, "large", look{width: 390})
	edge := func(what, side string) float64 {
		return eval[float64](phone, fmt.Sprintf(`document.querySelector(%q).getBoundingClientRect().%s`, what, side))
	}
	assert.Less(t, edge("#map-loss", "top"), 400.0)
	assert.LessOrEqual(t, edge("#map-loss tr td:last-child", "right"), 390.0, "the largest rate is seen")
}

// violations runs axe; the window keeps the promise alive.
const violations = `(window.running = axe.run().then(r =>
  r.violations.flatMap(v => v.nodes.map(n => v.id + ": " + n.target + " " + n.failureSummary))))`

// TestAccessibility runs axe-core, which npm installs here.
func TestAccessibility(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile(filepath.Join("node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Skip("there is no axe-core: run npm ci in report/browser to test the page's accessibility")
	}
	for name := range runtest.Pages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, l := range []look{
				{width: 1280}, {width: 1280, dark: true}, {width: 390}, {width: 390, dark: true},
				{width: 1280, noScripts: true}, {width: 390, noScripts: true},
			} {
				p := open(t, name, l)
				eval[any](p, `document.querySelectorAll("details").forEach(d => { d.open = true; })`)
				p.run(emulation.SetScriptExecutionDisabled(false)) // for axe
				eval[any](p, string(axe)+"; 0")
				var found []string
				p.run(awaited(violations, &found))
				require.Empty(t, found, "%v: %s", l, strings.Join(found, "\n"))
			}
		})
	}
}
