package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/proxystatus"
	"github.com/meshray/meshray/fixtures/demo"
	"github.com/meshray/meshray/loader"
	"github.com/meshray/meshray/loader/archive"
	"github.com/meshray/meshray/rules"
)

func demoCapture(t *testing.T) *mesh.Capture {
	t.Helper()
	c, err := loader.Load([]string{"-"}, bytes.NewReader(demo.Archive()), loader.Options{Limits: archive.DefaultLimits()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func documentOf(c *mesh.Capture, opts Options) *Document {
	selected, _ := analyze.Select(rules.All(), nil, nil, "") // fails for unknown names only
	return New(c, analyze.Run(c, selected, opts.Scope), proxystatus.Of(c, opts.Scope.Namespace), opts)
}

func TestNewOnTheDemo(t *testing.T) {
	d := documentOf(demoCapture(t), Options{Names: []string{"/home/me/demo.tar.gz"}})
	if want := (Summary{Errors: 6, Warnings: 2, Proxies: 15, NotSynced: 2, Damaged: 1}); d.Summary.Errors != want.Errors ||
		d.Summary.Warnings != want.Warnings || d.Summary.Proxies != want.Proxies || d.Summary.NotSynced != want.NotSynced || d.Summary.Damaged != want.Damaged {
		t.Errorf("got %+v, want %+v as far as that is not zero", d.Summary, want)
	}
	var got []string
	for _, f := range d.Findings {
		if f.Severity != "info" {
			got = append(got, fmt.Sprintf("%s %s %s (%d)", f.Severity, f.Rule, f.Where, len(f.Proxies)))
		}
	}
	want := []string{
		"error cluster-without-endpoints cluster/outbound|8080|v2|catalog.shop.svc.cluster.local (10)",
		"error route-to-missing-cluster cluster/outbound|8080|canary|search.shop.svc.cluster.local (1)",
		"error weighted-dead-member route/http.8080#www.shop.example.com:8080 (1)",
		"error weighted-dead-member route/8080#catalog.shop.svc.cluster.local:8080 (2)",
		"error xds-resource-rejected listener/virtualInbound (1)",
		"error cert-expired secret/kubernetes://shop-cert (1)",
		"warning xds-ack-stale  (1)",
		"warning gateway-cert-does-not-cover-sni listener/0.0.0.0_8443#partner.example.com (1)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if !strings.HasPrefix(string(d.Verdict), "6 errors and 2 warnings on 10 proxies; 2 proxies are not in sync with the control plane; but ") {
		t.Errorf("got the verdict %q", d.Verdict)
	}
	if d.Title != "Report on demo.tar.gz" || d.Capture.AsOf != "2026-11-22T08:55:02Z" {
		t.Errorf("got the title %q as of %q", d.Title, d.Capture.AsOf)
	}
}

// TestNewIsDeterministic makes the document of two loads, in JSON.
func TestNewIsDeterministic(t *testing.T) {
	var first []byte
	for range 2 {
		raw, err := json.Marshal(documentOf(demoCapture(t), Options{}))
		if err != nil {
			t.Fatal(err)
		}
		if first != nil && !bytes.Equal(first, raw) {
			t.Error("got two different documents of one capture")
		}
		first = raw
	}
}

func TestTablesAreThoseOfTheProxy(t *testing.T) {
	c := demoCapture(t)
	d := documentOf(c, Options{})
	i := slices.IndexFunc(d.Proxies, func(p Proxy) bool { return strings.HasPrefix(string(p.Key), "istio-ingressgateway") })
	if i < 0 {
		t.Fatal("got no gateway")
	}
	var got []string
	for _, table := range d.Proxies[i].Tables {
		got = append(got, fmt.Sprintf("%s %d", table.Title, table.Total))
		for _, row := range table.Rows {
			if len(row) != len(table.Columns) {
				t.Errorf("%s: got a row of %d cells, want %d", table.Title, len(row), len(table.Columns))
			}
		}
	}
	if want := []string{"Clusters 37", "Listeners 7", "Routes 22", "Endpoints 55", "Secrets 5"}; !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	secrets := d.Proxies[i].Tables[4]
	if got, want := fmt.Sprint(secrets.Rows[4][:3]), "[kubernetes://shop-cert Cert Chain EXPIRED]"; got != want {
		t.Errorf("got the secret %s, want %s", got, want)
	}
}

func TestReplicasShareTables(t *testing.T) {
	d := documentOf(demoCapture(t), Options{})
	shared := 0
	for _, p := range d.Proxies {
		for _, table := range p.Tables {
			if table.SameAs == "" {
				continue
			}
			shared++
			i := slices.IndexFunc(d.Proxies, func(q Proxy) bool { return q.Key == table.SameAs })
			j := slices.IndexFunc(d.Proxies[i].Tables, func(o Table) bool { return o.Title == table.Title })
			if own := d.Proxies[i].Tables[j]; own.SameAs != "" || own.Total != table.Total || len(table.Rows) > 0 {
				t.Errorf("%s of %s: got a reference to a table of %d rows, want the %d rows that it stands for", table.Title, p.Key, own.Total, table.Total)
			}
		}
	}
	if shared == 0 {
		t.Error("got no shared table, want some: the demo has replicas")
	}
}

func TestLimitsOfRows(t *testing.T) {
	c := demoCapture(t)
	full := documentOf(c, Options{})
	d := documentOf(c, Options{TableRows: 10, TotalRows: 100})
	rows, unmade := 0, 0
	for i, p := range d.Proxies {
		for j, table := range p.Tables {
			rows += len(table.Rows)
			if len(table.Rows) > 10 {
				t.Errorf("%s of %s: got %d rows, want 10 at most", table.Title, p.Key, len(table.Rows))
			}
			if table.Total < 0 {
				unmade++
			} else if want := full.Proxies[i].Tables[j].Total; table.Total != want {
				t.Errorf("%s of %s: got a total of %d, want %d", table.Title, p.Key, table.Total, want)
			}
		}
	}
	if rows != 100 || unmade == 0 {
		t.Errorf("got %d rows and %d tables not made, want 100 rows and some tables", rows, unmade)
	}
	if first := d.Proxies[d.priority()[0]]; len(first.Tables[0].Rows) == 0 {
		t.Errorf("got no rows of %s, want those with the most errors first", first.Key)
	}
}

func TestScope(t *testing.T) {
	c := demoCapture(t)
	d := documentOf(c, Options{Scope: analyze.Options{Namespace: "payments"}})
	if len(d.Proxies) != 2 || d.Proxies[0].Key != "fraud-v1-7sxk98kzn-vnk7k.payments" {
		t.Errorf("got %d proxies, want the two of payments", len(d.Proxies))
	}
	p, err := c.FindProxy("istio-ingress", "")
	if err != nil {
		t.Fatal(err)
	}
	d = documentOf(c, Options{Scope: analyze.Options{Proxy: p}})
	if len(d.Proxies) != 1 || len(d.Sync.Rows) != 1 || d.Summary.Errors != 4 {
		t.Errorf("got %d proxies, %d rows of sync and %d errors, want 1, 1 and 4", len(d.Proxies), len(d.Sync.Rows), d.Summary.Errors)
	}
}

func TestVerdict(t *testing.T) {
	rule := []Rule{{Name: "r"}}
	proxies := []Proxy{{Key: "a"}, {Key: "b"}}
	finding := func(severity string, proxies ...Text) Finding { return Finding{Severity: severity, Proxies: proxies} }
	tests := []struct {
		name string
		d    Document
		want string
	}{
		{"nothing", Document{}, "There is no proxy in this capture, so nothing can be said about the mesh."},
		{"clean", Document{Rules: rule, Proxies: proxies}, "No error and no warning on 2 proxies."},
		{"notes only", Document{Rules: rule, Proxies: proxies[:1], Findings: []Finding{finding("info", "a")}}, "No error and no warning on 1 proxy."},
		{"one error", Document{Rules: rule, Proxies: proxies, Findings: []Finding{finding("error", "a")}}, "1 error on 1 proxy."},
		{
			"both", Document{Rules: rule, Proxies: proxies, Findings: []Finding{finding("error", "a", "b"), finding("warning", "a"), finding("warning")}},
			"1 error and 2 warnings on 2 proxies.",
		},
		{
			"clean and out of sync", Document{Rules: rule, Proxies: proxies, Sync: Sync{Rows: []SyncRow{{Proxy: "a", State: "STALE"}, {Proxy: "a", State: "ERROR"}}}},
			"No error and no warning on 2 proxies; 1 proxy is not in sync with the control plane.",
		},
		{"nothing checked", Document{Rules: rule, Proxies: proxies, Unchecked: []Skip{{Rule: "r"}}}, "Nothing could be checked on 2 proxies; but 1 rule has no input from some proxies or at all."},
		{
			"damage", Document{Rules: rule, Proxies: proxies, Capture: Capture{Inputs: []Input{{Fate: "damaged"}, {Fate: "read"}, {Fate: "unknown"}}}},
			"No error and no warning on 2 proxies; but 2 of 3 files could not be read whole.",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.d.Summary = test.d.summarize()
			if got := string(test.d.judge()); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}
