package mesh

import (
	"strings"
	"testing"
)

func TestFindProxy(t *testing.T) {
	capture := &Capture{Proxies: []*Proxy{
		{Name: "cart-v1-abc", Namespace: "shop"},
		{Name: "cart-v1-abc", Namespace: "stage"},
		{Name: "cart-v2-xyz", Namespace: "shop"},
		{Name: "edge", Label: "before.json"},
		{Name: "edge", Label: "after.json"},
		{Name: "a.b", Namespace: "dots"},
		{Name: "gw", Label: "config_dump.json", Files: []*Input{{Path: "gw/config_dump.json"}}, Config: Config{Bootstrap: &Resource{}, Sections: []Section{{Kind: Endpoint}}}},
		{Name: "gw", Label: "config_dump_masked.json", Files: []*Input{{Path: "gw/config_dump_masked.json"}}},
	}}
	for _, tc := range []struct{ name, namespace, want, err string }{
		{"cart-v1-abc.shop", "", "cart-v1-abc.shop", ""},
		{"cart-v1-abc", "stage", "cart-v1-abc.stage", ""},
		{"cart-v2", "", "cart-v2-xyz.shop", ""},
		{"cart-v1.stage", "", "cart-v1-abc.stage", ""},
		{"edge (after.json)", "", "edge (after.json)", ""},
		{"edge (af", "", "edge (after.json)", ""},
		{"a.b.dots", "", "a.b.dots", ""},
		{"gw", "", "gw (config_dump.json)", ""},
		{"cart-v1-abc", "", "", `"cart-v1-abc" could be any of 2 proxies: cart-v1-abc.shop, cart-v1-abc.stage`},
		{"edge", "", "", `"edge" could be any of 2 proxies: edge (before.json), edge (after.json)`},
		{"cart", "shop", "", "could be any of 2"},
		{"nobody", "", "", `no proxy "nobody" in the capture; it has: cart-v1-abc.shop`},
		{"cart", "none", "", "namespace none"},
		{"", "", "", "the capture has 8 proxies, name one of them"},
		{"", "stage", "cart-v1-abc.stage", ""},
	} {
		p, err := capture.FindProxy(tc.name, tc.namespace)
		switch {
		case tc.err == "" && (err != nil || p.Key() != tc.want):
			t.Errorf("FindProxy(%q, %q) = %v, %v, want %s", tc.name, tc.namespace, p, err, tc.want)
		case tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)):
			t.Errorf("FindProxy(%q, %q) error %v, want %q", tc.name, tc.namespace, err, tc.err)
		}
	}
	if _, err := (&Capture{}).FindProxy("x", ""); err == nil || !strings.Contains(err.Error(), "no proxy") {
		t.Errorf("an empty capture gives %v, want it to say that there is no proxy", err)
	}
}

func TestSourcePointer(t *testing.T) {
	for _, tc := range []struct {
		source Source
		want   string
	}{
		{Source{}, ""},
		{NewSource("f", 1, 0, "/configs/1/static_clusters", 2, "/cluster"), "/configs/1/static_clusters/2/cluster"},
		{NewSource("f", 1, 0, "", 0, ""), "/0"},
		{NewSource("f", 1, 0, "/configs/0", -1, "/bootstrap"), "/configs/0/bootstrap"},
	} {
		if got := tc.source.Pointer(); got != tc.want {
			t.Errorf("Pointer() = %q, want %q", got, tc.want)
		}
	}
}
