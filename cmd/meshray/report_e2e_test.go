//go:build e2e

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/meshray/meshray/fixtures"
	"github.com/meshray/meshray/report"
)

// browser is a tab of a headless Chromium, and what it complained about.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string
}

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("needs a Chromium: there is no chromium, chromium-browser or google-chrome in PATH")
	return ""
}

// open opens the page of a file in a new browser, which fails the test if the
// page logs anything, breaks its content security policy, opens a dialog, or
// asks the network for anything.
func open(t *testing.T, path string, before ...chromedp.Action[chromedp.Void]) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.WindowSize(1280, 900))
	for _, flag := range []string{"no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update", "disable-sync"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, stop := chromedp.NewContext(allocator)
	t.Cleanup(stop)
	b := &browser{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	b.run(command(network.Enable, network.EnableParams{}), command(log.Enable, cdp.Empty{}))
	b.run(before...)
	b.run(chromedp.Navigate((&url.URL{Scheme: "file", Path: path}).String()))
	t.Cleanup(b.checkComplaints)
	return b
}

// command is an action that sends a command without a result.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

func (b *browser) hear(event any) {
	var complaint string
	switch event := event.(type) {
	case *runtime.EventConsoleAPICalled:
		complaint = fmt.Sprintf("console.%s", event.Type)
	case *runtime.EventExceptionThrown:
		complaint = "exception: " + event.ExceptionDetails.Text
	case *log.EventEntryAdded:
		complaint = "log: " + event.Entry.Text
	case *page.EventJavascriptDialogOpening:
		complaint = "dialog: " + event.Message
	case *network.EventRequestWillBeSent:
		if strings.HasPrefix(event.Request.URL, "file://") && event.Type == network.ResourceTypeDocument || strings.HasPrefix(event.Request.URL, "data:") {
			return
		}
		complaint = "request: " + event.Request.URL
	default:
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = append(b.complaints, complaint)
}

func (b *browser) checkComplaints() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, complaint := range b.complaints {
		b.t.Errorf("got a complaint of the browser, want none: %s", complaint)
	}
}

func (b *browser) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// expect evaluates an expression of JavaScript in the page.
func (b *browser) expect(expression string, want any) {
	b.t.Helper()
	got, err := chromedp.Run(b.ctx, chromedp.Evaluate[any](expression))
	if err != nil {
		b.t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Errorf("%s: got %v, want %v", expression, got, want)
	}
}

// eventually waits until an expression is true.
func (b *browser) eventually(expression string) {
	b.t.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingTimeout(10*time.Second))); err != nil {
		b.t.Errorf("waiting for %s: %v", expression, err)
	}
}

// writeReport makes a page with the command line.
func writeReport(t *testing.T, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.html")
	var stderr bytes.Buffer
	if code := run(append([]string{"meshray", "report", "-o", path}, args...), strings.NewReader(""), &stderr, &stderr); code != exitClean {
		t.Fatalf("got exit code %d, want %d:\n%s", code, exitClean, stderr.String())
	}
	return path
}

func TestReportInABrowser(t *testing.T) {
	b := open(t, writeReport(t, "--demo"))
	b.expect(`document.title`, "Report on demo")
	b.expect(`document.querySelectorAll('h1').length`, 1)
	b.expect(`['header', 'nav', 'main', 'footer'].map((e) => document.querySelectorAll(e).length).join()`, "1,1,1,1")
	b.expect(`document.querySelector('.verdict').checkVisibility()`, true)
	b.expect(`document.documentElement.scrollWidth <= innerWidth`, true)

	// Searching leaves what fits and opens what holds it.
	b.run(chromedp.SendKeys(`#search`, "shop-cert EXPIRED"))
	b.eventually(`document.getElementById('matches').textContent.includes('1 of')`)
	b.expect(`[...document.querySelectorAll('details.owner tbody tr')].filter((r) => r.checkVisibility()).map((r) => r.cells[2].textContent).join()`, "EXPIRED")
	b.expect(`[...document.querySelectorAll('details.owner')].filter((o) => o.checkVisibility()).length`, 1)
	b.run(chromedp.Evaluate[chromedp.Void](`(() => { const s = document.getElementById('search'); s.value = ''; s.dispatchEvent(new Event('input')); })()`))
	b.eventually(`document.getElementById('matches').textContent === ''`)
	b.expect(`document.querySelectorAll('details.owner[open]').length`, 0)

	// A severity can be turned off.
	b.run(chromedp.Click(`button[data-severity=info]`))
	b.expect(`document.querySelector('button[data-severity=info]').getAttribute('aria-pressed')`, "false")
	b.expect(`[...document.querySelectorAll('#findings article')].every((a) => a.checkVisibility() === (a.dataset.severity !== 'info'))`, true)
	b.expect(`new Set([...document.querySelectorAll('#findings article')].map((a) => a.dataset.severity)).size`, 3)

	// A link opens what it leads to, also on what was turned off.
	b.run(chromedp.Evaluate[chromedp.Void](`location.hash = document.querySelector('details.owner details.table').id`))
	b.eventually(`document.querySelector('details.owner details.table').open && document.querySelector('details.owner').open`)
	b.run(chromedp.Evaluate[chromedp.Void](`location.hash = document.querySelector('article[data-severity=info]').id`))
	b.eventually(`document.querySelector('article[data-severity=info]').checkVisibility() && document.activeElement.tagName === 'ARTICLE'`)
}

func TestReportFollowsTheColourScheme(t *testing.T) {
	b := open(t, writeReport(t, "--demo"))
	scheme := func(value string) {
		b.run(command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}},
		}))
	}
	scheme("light")
	b.expect(`getComputedStyle(document.body).backgroundColor`, "rgb(255, 255, 255)")
	scheme("dark")
	b.expect(`getComputedStyle(document.body).backgroundColor`, "rgb(20, 24, 29)")
	b.expect(lowestContrast, true)
	scheme("light")
	b.expect(lowestContrast, true)
}

// lowestContrast is true if every text has the contrast of WCAG level AA against
// its background.
const lowestContrast = `(() => {
  const parse = (c) => (c.match(/[\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] > 0) return c; } };
  const texts = [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));
  return texts.every((e) => { const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x); return (a + 0.05) / (b + 0.05) >= 4.5; });
})()`

func TestReportWithoutScript(t *testing.T) {
	b := open(t, writeReport(t, "--demo"), command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	text, err := chromedp.Run(b.ctx, chromedp.Text(`body`))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"6 errors and 2 warnings", "has no subset canary", "STALE"} {
		if !strings.Contains(text, want) {
			t.Errorf("got a page without %q, want it to be readable without a script", want)
		}
	}
	if strings.Contains(text, "Search findings") {
		t.Error("got a search field that cannot work, want none without a script")
	}
}

func TestReportOnANarrowScreen(t *testing.T) {
	b := open(t, writeReport(t, "--demo"), chromedp.EmulateViewport(320, 640))
	b.expect(`document.documentElement.scrollWidth <= 320`, true)
}

func TestReportPrintsItsFindings(t *testing.T) {
	b := open(t, writeReport(t, "--demo"))
	b.run(chromedp.Evaluate[chromedp.Void](`dispatchEvent(new Event('beforeprint'))`))
	b.expect(`document.querySelectorAll('#findings details:not([open])').length`, 0)
	b.run(chromedp.Evaluate[chromedp.Void](`dispatchEvent(new Event('afterprint'))`))
	b.expect(`document.querySelectorAll('#findings details:not([open])').length > 0`, true)
}

// TestHostileCaptureIsInert reports on a capture whose names try to become markup.
func TestHostileCaptureIsInert(t *testing.T) {
	evil := "</script></style><img src=x onerror=\"window.pwned=1\"><svg onload=window.pwned=1>\x1b[31m\n\u202egnp.exe'\"`{{.}}${window.pwned=1}"
	dump := hostileDump(t, evil)
	path := filepath.Join(t.TempDir(), "dump\u202e<b>.json")
	if err := os.WriteFile(path, dump, 0o600); err != nil {
		t.Fatal(err)
	}
	b := open(t, writeReport(t, path, "--title", evil))
	b.expect(`window.pwned === undefined`, true)
	b.expect(`document.querySelectorAll('img, svg, b, iframe, object').length`, 0)
	b.expect(`document.querySelectorAll('script').length + document.querySelectorAll('style').length`, 2)
	b.expect(`document.body.textContent.includes('\\u202egnp') && !/[\u202e\u001b]/.test(document.documentElement.outerHTML)`, true)
	b.expect(`document.querySelector('main').textContent.includes('<img src=x')`, true)
	b.expect(`document.documentElement.scrollWidth <= innerWidth`, true)
	b.run(chromedp.SendKeys(`#search`, "onerror"))
	b.eventually(`document.getElementById('matches').textContent.includes('rows')`)
	b.expect(`window.pwned === undefined`, true)
}

// TestHostileDocumentIsInert renders the hostile document of the report's own
// tests.
func TestHostileDocumentIsInert(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(fixtures.Root(t), "fixtures", "report", "hostile.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d report.Document
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "hostile.html")
	if err := (reportTarget{format: htmlReport, path: path}).write(testEnv(nil), &d, report.HTMLBytes); err != nil {
		t.Fatal(err)
	}
	b := open(t, path)
	b.expect(`document.querySelectorAll('img, object, b').length`, 0)
	b.expect(`document.documentElement.scrollWidth <= innerWidth`, true)
}

// hostileDump is a config_dump with the name wherever a name can stand, and one
// of 10 kB.
func hostileDump(t *testing.T, name string) []byte {
	t.Helper()
	long := strings.Repeat("n", 10_000)
	const types = "type.googleapis.com/"
	route := func(cluster string) map[string]any {
		return map[string]any{
			"name": name, "match": map[string]any{"prefix": "/" + name}, "route": map[string]any{"cluster": cluster},
		}
	}
	dump := map[string]any{"configs": []any{
		map[string]any{
			"@type": types + "envoy.admin.v3.BootstrapConfigDump", "last_updated": "2026-11-22T08:00:00Z",
			"bootstrap": map[string]any{"node": map[string]any{"id": "sidecar~10.0.0.1~" + name + ".shop~shop.svc.cluster.local"}},
		},
		map[string]any{
			"@type": types + "envoy.admin.v3.ClustersConfigDump",
			"dynamic_active_clusters": []any{
				map[string]any{"cluster": map[string]any{"@type": types + "envoy.config.cluster.v3.Cluster", "name": name}},
				map[string]any{"cluster": map[string]any{"@type": types + "envoy.config.cluster.v3.Cluster", "name": long}},
			},
		},
		map[string]any{
			"@type":             types + "envoy.admin.v3.ListenersConfigDump",
			"dynamic_listeners": []any{map[string]any{"name": name, "error_state": map[string]any{"details": name}}},
		},
		map[string]any{
			"@type": types + "envoy.admin.v3.RoutesConfigDump",
			"dynamic_route_configs": []any{map[string]any{"route_config": map[string]any{
				"@type": types + "envoy.config.route.v3.RouteConfiguration", "name": name,
				"virtual_hosts": []any{map[string]any{"name": name, "domains": []any{name, "*"}, "routes": []any{route(name + "2"), route(long)}}},
			}}},
		},
		map[string]any{"@type": types + name},
	}}
	raw, err := json.Marshal(dump)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
