package mesh

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestMeshes names the pods of each mesh, with its time where it has one.
func TestMeshes(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 5, 1, hour, 0, 0, 0, time.UTC) }
	pod := func(path, name, ip string, kind ProxyKind) *Proxy {
		return &Proxy{Name: name, Namespace: "ns", Kind: kind, Addresses: []string{"127.0.0.1", ip, "no address"}, Files: []*Input{{Path: path}}, Captured: at(len(path))}
	}
	labelled := func(p *Proxy) *Proxy { p.Label = "one of several"; return p }
	tests := map[string]struct {
		proxies []*Proxy
		given   bool
		want    string
	}{
		"nothing":              {nil, false, "[] 0"},
		"one mesh, two parts":  {[]*Proxy{pod("a/x", "x", "10.0.0.1", Sidecar), pod("b/yy", "y", "10.0.0.2", Sidecar)}, false, "[x y] 4"},
		"two meshes":           {[]*Proxy{pod("a/x", "x", "10.0.0.1", Sidecar), pod("b/yy", "y", "10.0.0.1", Sidecar)}, false, "[x] 3; [y] 4"},
		"IPv4 in IPv6":         {[]*Proxy{pod("a/x", "x", "10.0.0.1", Sidecar), pod("b/yy", "y", "::ffff:10.0.0.1", Waypoint)}, false, "[x] 3; [y] 4"},
		"the time is given":    {[]*Proxy{pod("a/x", "x", "10.0.0.1", Sidecar), pod("b/yy", "y", "10.0.0.1", Sidecar)}, true, "[x] 23; [y] 23"},
		"a pod twice":          {[]*Proxy{labelled(pod("a/x", "x", "10.0.0.1", Sidecar)), labelled(pod("b/xx", "x", "10.0.0.9", Sidecar))}, false, "[x] 3; [x] 4"},
		"a pod in two forms":   {[]*Proxy{labelled(pod("a/x", "x", "10.0.0.1", Sidecar)), labelled(pod("a/xx", "x", "10.0.0.1", Sidecar))}, false, "[x x] 4"},
		"a pod of two folders": {[]*Proxy{pod("a/x", "x", "10.0.0.1", Sidecar), pod("b/xx", "x", "10.0.0.1", Sidecar)}, false, "[x x] 4"},
		"one folder":           {[]*Proxy{pod("a/x", "x", "10.0.0.1", Sidecar), pod("a/yy", "y", "10.0.0.1", Sidecar)}, false, "[x y] 4"},
		"gateways of a node":   {[]*Proxy{pod("a/x", "x", "10.0.0.1", Gateway), pod("b/yy", "y", "10.0.0.1", Gateway)}, false, "[x y] 4"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := &Capture{Proxies: test.proxies}
			if c.AsOf = c.Newest(); test.given {
				c.AsOf = at(23)
			}
			var got []string
			for _, part := range c.Meshes() {
				names := []string{}
				for _, p := range part.Proxies {
					names = append(names, p.Name)
				}
				got = append(got, fmt.Sprint(names, " ", part.AsOf.Hour()))
			}
			if text := strings.Join(got, "; "); text != test.want {
				t.Errorf("got %s, want %s", text, test.want)
			}
		})
	}
}
