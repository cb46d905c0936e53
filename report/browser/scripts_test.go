package browser

import (
	"encoding/csv"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// awaited evaluates an expression that is a promise.
func awaited(expression string, value any) chromedp.Action {
	return chromedp.Evaluate(expression, value, func(p *runtime.EvaluateParams) *runtime.EvaluateParams {
		return p.WithAwaitPromise(true)
	})
}

// button returns an expression for the button with a name in a part of the page.
func button(place, name string) string {
	return `[...document.querySelectorAll("` + place + ` button")].find(b => b.textContent === "` + name + `")`
}

// drawn is the number of lines and marks of a colour in a figure.
func drawn(p *tab, figure, colour string) int {
	return eval[int](p, `[...document.querySelectorAll("#figure-`+figure+` .plot svg *")]
		.filter(e => (e.getAttribute("style") || "").includes("`+colour+`")).length`)
}

func selectValue(p *tab, label, value string) {
	eval[any](p, `(() => {
		const s = [...document.querySelectorAll("#controls label")]
			.find(l => l.textContent.startsWith("`+label+`")).querySelector("select");
		s.value = "`+value+`";
		s.dispatchEvent(new Event("change"));
	})()`)
}

// TestANameHidesItsVariantEverywhere, and shows it again.
func TestANameHidesItsVariantEverywhere(t *testing.T) {
	t.Parallel()
	const blue = "--series-2" // LayerNorm
	for _, place := range []string{"#figure-loss .legend", "#map-loss table", ".numbers tbody"} {
		p := open(t, "half-finished", look{width: 1280})
		click := button(place, "layer") + ".click()"
		before := make(map[string]int)
		for _, figure := range []string{"rate", "loss", "gradient", "residual", "depth"} {
			before[figure] = drawn(p, figure, blue)
			require.Positive(t, before[figure], figure)
		}
		maps := eval[int](p, `document.querySelectorAll(".maps .plane").length`)
		eval[any](p, click)
		for figure, n := range before {
			assert.Less(t, drawn(p, figure, blue), n, "%s, by a click in %s", figure, place)
		}
		assert.Equal(t, maps-3, eval[int](p, `document.querySelectorAll(".maps .plane").length`), "a map of each measure")
		assert.Equal(t, "false", eval[string](p, button("#map-loss", "layer")+`.getAttribute("aria-pressed")`))
		eval[any](p, click)
		for figure, n := range before {
			assert.Equal(t, n, drawn(p, figure, blue), figure)
		}
	}
}

// TestRateAndSeedCanBeChosen: every figure inside shows the runs of the chosen cell.
func TestRateAndSeedCanBeChosen(t *testing.T) {
	t.Parallel()
	p := open(t, "large", look{width: 1280})
	shown := `[...document.querySelectorAll("#inside .plot svg path")].map(e => e.getAttribute("d")).join()`
	maps := `[...document.querySelectorAll(".maps img")].map(e => e.src).join()`
	lines, pictures := eval[string](p, shown), eval[string](p, maps)
	selectValue(p, "learning rate", "0.1")
	assert.NotEqual(t, lines, eval[string](p, shown))
	legend := eval[string](p, `document.querySelector("#figure-loss .legend").textContent`)
	assert.Contains(t, legend, "none pre, diverged at step 12")
	assert.Equal(t, "Learning rate 0.1 and seed 1.", eval[string](p, `document.querySelector("#note").textContent`))
	lines = eval[string](p, shown)
	selectValue(p, "seed", "3")
	assert.NotEqual(t, lines, eval[string](p, shown))
	assert.Equal(t, "Learning rate 0.1 and seed 3.", eval[string](p, `document.querySelector("#note").textContent`))
	eval[any](p, button("#controls", "reset")+".click()")
	assert.Equal(t, pictures, eval[string](p, maps))
	note := eval[string](p, `document.querySelector("#note").textContent`)
	assert.Contains(t, note, "the largest at which all trained stably")
}

func TestSmoothing(t *testing.T) {
	t.Parallel()
	p := open(t, "one-run", look{width: 1280})
	path := `document.querySelector("#figure-loss svg path[stroke-dasharray]").getAttribute("d").length`
	smooth := eval[int](p, path)
	eval[any](p, `document.querySelector("#controls input").click()`)
	assert.Greater(t, eval[int](p, path), smooth, "every step")
	assert.Equal(t, "#smooth=no", eval[string](p, "location.hash"))
}

// box returns the place of a figure's drawing on the screen.
func box(p *tab, figure string) (left, top, width, height float64) {
	b := eval[[]float64](p, `(() => {
		const e = document.querySelector("#figure-`+figure+` .plot");
		e.scrollIntoView({ block: "center" });
		const b = e.querySelector("svg").getBoundingClientRect();
		return [b.left, b.top, b.width, b.height];
	})()`)
	return b[0], b[1], b[2], b[3]
}

// TestDraggingZooms, a double click shows all again.
func TestDraggingZooms(t *testing.T) {
	t.Parallel()
	p := open(t, "large", look{width: 1280})
	left, top, width, height := box(p, "loss")
	path := `document.querySelector("#figure-loss svg path[stroke-dasharray]").getAttribute("d")`
	whole := eval[string](p, path)
	mouse := func(kind input.MouseType, x, y float64, count int64) chromedp.Action {
		return input.DispatchMouseEvent(kind, left+x*width, top+y*height).WithButton(input.Left).WithClickCount(count)
	}
	p.run(mouse(input.MousePressed, 0.3, 0.2, 1), mouse(input.MouseMoved, 0.5, 0.4, 1),
		mouse(input.MouseMoved, 0.7, 0.6, 1), mouse(input.MouseReleased, 0.7, 0.6, 1))
	assert.NotEqual(t, whole, eval[string](p, path))
	assert.Contains(t, eval[string](p, "location.hash"), "zoom-loss=")
	assert.Empty(t, eval[[]string](p, faults))

	again := open(t, "large", look{width: 1280, fragment: eval[string](p, "location.hash")})
	assert.Equal(t, eval[string](p, path), eval[string](again, path), "a link shows the same")

	p.run(mouse(input.MousePressed, 0.5, 0.5, 1), mouse(input.MouseReleased, 0.5, 0.5, 1),
		mouse(input.MousePressed, 0.5, 0.5, 2), mouse(input.MouseReleased, 0.5, 0.5, 2))
	assert.Equal(t, whole, eval[string](p, path))
	assert.Empty(t, eval[string](p, "location.hash"))
}

// TestValuesUnderThePointer and by the keyboard.
func TestValuesUnderThePointer(t *testing.T) {
	t.Parallel()
	p := open(t, "half-finished", look{width: 1280})
	for figure, want := range map[string][]string{
		"rate": {"learning rate 0.01", "layer", "1.815"}, "loss": {"step ", "none"},
	} {
		left, top, width, height := box(p, figure)
		p.run(input.DispatchMouseEvent(input.MouseMoved, left+width*0.55, top+height/2))
		tip := eval[string](p, `document.querySelector("#figure-`+figure+` .tip:not([hidden])").textContent`)
		for _, text := range want {
			assert.Contains(t, tip, text, figure)
		}
		p.run(input.DispatchMouseEvent(input.MouseMoved, 2, 2))
		assert.Zero(t, eval[int](p, `document.querySelectorAll("#figure-`+figure+` .tip:not([hidden])").length`))
	}
	press := func(key string) chromedp.Action { return chromedp.KeyEvent(key) }
	eval[any](p, `document.querySelector("#figure-rate .plot").focus()`)
	said := `document.querySelector("#figure-rate output").textContent`
	p.run(press(kb.Home))
	assert.Contains(t, eval[string](p, said), "learning rate 0.001: none 2.615; ")
	p.run(press(kb.ArrowRight), press(kb.ArrowRight))
	assert.Contains(t, eval[string](p, said), "learning rate 0.1: none above; ")
	p.run(press(kb.ArrowLeft))
	assert.Contains(t, eval[string](p, said), "learning rate 0.01: ")

	eval[any](p, `document.querySelector("#map-residual .plane").focus()`)
	p.run(press(kb.ArrowRight), press(kb.ArrowRight), press(kb.ArrowUp))
	said = `document.querySelector("#map-residual output").textContent`
	assert.Equal(t, "step 100, after block 1: 1", eval[string](p, said))
}

// TestCSVHasWhatTheFigureShows.
func TestCSVHasWhatTheFigureShows(t *testing.T) {
	t.Parallel()
	p := open(t, "half-finished", look{width: 1280})
	eval[any](p, `URL.createObjectURL = blob => { window.saved = blob; return "#"; }`)
	download := func(figure string) [][]string {
		eval[any](p, `document.querySelector("#figure-`+figure+` .tools button").click()`)
		var text string
		p.run(awaited("window.saved.text()", &text))
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		require.NoError(t, err)
		return rows
	}
	rows := download("rate")
	require.Equal(t, []string{"name", "learning rate", "validation loss (nats per token)", "what"}, rows[0])
	means, seeds := 0, 0
	for _, r := range rows[1:] {
		_, err := strconv.ParseFloat(r[2], 64)
		require.NoError(t, err)
		switch r[3] {
		case "mean":
			means++
		case "seed":
			seeds++
		}
	}
	assert.Equal(t, 4*3, means)
	assert.Equal(t, 6*4-2-1, seeds, "without those that diverged or were stopped")
	eval[any](p, button("#figure-loss .legend", "none")+".click()")
	for _, r := range download("loss")[1:] {
		require.NotEqual(t, "none", r[0], "it is hidden")
	}
}

// TestALinkOpensThePageInTheSameState.
func TestALinkOpensThePageInTheSameState(t *testing.T) {
	t.Parallel()
	p := open(t, "large", look{width: 1280})
	selectValue(p, "learning rate", "0.03")
	selectValue(p, "seed", "2")
	eval[any](p, button("#map-loss", "rms post")+".click()")
	eval[any](p, `document.querySelector("#controls input").click()`)
	shown := `[...document.querySelectorAll(".plot svg path, .maps img")]
		.map(e => e.getAttribute("d") || e.src).join()`
	again := open(t, "large", look{width: 1280, fragment: eval[string](p, "location.hash")})
	assert.Equal(t, eval[string](p, shown), eval[string](again, shown))
	chosen := `[...document.querySelectorAll("#controls select")].map(s => s.value)`
	assert.Equal(t, []string{"0.03", "2"}, eval[[]string](again, chosen))
	assert.False(t, eval[bool](again, `document.querySelector("#controls input").checked`))

	const nonsense = "#rate=7&seed=x&hide=nobody&zoom-loss=1,a&zoom-none=1,2,3,4&smooth="
	odd := open(t, "large", look{width: 1280, fragment: nonsense})
	assert.Equal(t, []string{"0.01", "1"}, eval[[]string](odd, chosen))
	section := open(t, "large", look{width: 1280, fragment: "#settings"})
	assert.Positive(t, eval[float64](section, "scrollY"), "a link to a section is one")
}
