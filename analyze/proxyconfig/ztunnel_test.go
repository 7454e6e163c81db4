package proxyconfig

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meshray/meshray/analyze/mesh"
)

// ambient is a dump with the cases that tables must tell apart.
func ambient() *mesh.ZtunnelDump {
	return &mesh.ZtunnelDump{
		Workloads: []*mesh.ZtunnelWorkload{
			{UID: "u2", Name: "b", Namespace: "ns", Addresses: []string{"10.0.0.2", "fd00::2"}, Node: "n2", Status: "Healthy",
				Waypoint: &mesh.ZtunnelGateway{Destination: "ns/wp.ns.svc"}},
			{UID: "u1", Name: "a", Namespace: "ns", Addresses: []string{"10.0.0.1"}, Node: "n1", Status: "Unhealthy",
				Waypoint: &mesh.ZtunnelGateway{Destination: "net/10.1.0.9"}},
			{UID: "u3", Name: "ext", Namespace: "other", Hostname: "ext.example.com",
				Waypoint: &mesh.ZtunnelGateway{Destination: "ns/gone.ns.svc"}},
			{UID: "h1", Name: "host-1", Namespace: "kube-system", Addresses: []string{"172.18.0.5"}, Status: "Healthy"},
			{UID: "h2", Name: "host-2", Namespace: "kube-system", Addresses: []string{"172.18.0.5"}, Status: "Healthy"},
		},
		Services: []*mesh.ZtunnelService{
			{Name: "web", Namespace: "ns", Hostname: "web.ns.svc", VIPs: []string{"net/10.1.0.1", "net/fd01::1"},
				Endpoints: []mesh.ZtunnelEndpoint{{WorkloadUID: "u1"}, {WorkloadUID: "u2"}, {WorkloadUID: "not in the dump"}}},
			{Name: "wp", Namespace: "ns", Hostname: "wp.ns.svc", VIPs: []string{"net/10.1.0.9"}},
			{Name: "wp-twin", Namespace: "ns", Hostname: "wp-twin.ns.svc", VIPs: []string{"net/10.1.0.9"}},
			{Name: "db", Namespace: "data", Hostname: "db.data.svc", Waypoint: &mesh.ZtunnelGateway{Destination: "ns/wp.ns.svc"}},
		},
		Policies: []*mesh.ZtunnelPolicy{{Name: "b", Namespace: "ns"}, {Name: "c", Namespace: "data"}, {Name: "a", Namespace: "ns"}},
		States: []*mesh.ZtunnelState{
			{Name: "b", Namespace: "ns", Outbound: []mesh.ZtunnelConnection{
				{Source: "10.0.0.2:4000", OriginalDestination: "10.1.0.1:80", ActualDestination: "[fd00::2]:15008", Protocol: "HBONE"},
				{Source: "10.0.0.2:4001", OriginalDestination: "172.18.0.5:443", ActualDestination: "not an address"},
			}},
			{Name: "a", Namespace: "ns", Inbound: []mesh.ZtunnelConnection{
				{Source: "10.0.0.2:5000", OriginalDestination: "web.ns.svc", ActualDestination: "10.0.0.1:8080", Protocol: "TCP"},
			}},
		},
	}
}

func TestZtunnelWorkloads(t *testing.T) {
	tests := []struct {
		name   string
		filter ZtunnelWorkloadFilter
		want   string // name, address, waypoint
	}{
		{"all, sorted", ZtunnelWorkloadFilter{}, `host-1 172.18.0.5 None|host-2 172.18.0.5 None|a 10.0.0.1 wp|b 10.0.0.2,fd00::2 wp|ext ext.example.com NA`},
		{"address, not the first one", ZtunnelWorkloadFilter{Address: "FD00::2"}, "b 10.0.0.2,fd00::2 wp"},
		{"namespace", ZtunnelWorkloadFilter{Namespace: "Other"}, "ext ext.example.com NA"},
		{"node", ZtunnelWorkloadFilter{Node: "n1"}, "a 10.0.0.1 wp"},
		{"node and namespace", ZtunnelWorkloadFilter{Node: "n1", Namespace: "other"}, ""},
		{"part of an address", ZtunnelWorkloadFilter{Address: "10.0.0"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, r := range ZtunnelWorkloads(ambient(), test.filter) {
				got = append(got, r.Name+" "+r.Address+" "+r.Waypoint)
			}
			if got := strings.Join(got, "|"); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestZtunnelServices(t *testing.T) {
	tests := []struct{ namespace, want string }{
		{"", "db  wp 0/0|web 10.1.0.1,fd01::1 None 1/3|wp 10.1.0.9 None 0/0|wp-twin 10.1.0.9 None 0/0"},
		{"DATA", "db  wp 0/0"},
		{"none", ""},
	}
	for _, test := range tests {
		var got []string
		for _, r := range ZtunnelServices(ambient(), test.namespace) {
			got = append(got, r.Name+" "+r.VIP+" "+r.Waypoint+" "+r.Health())
		}
		if got := strings.Join(got, "|"); got != test.want {
			t.Errorf("namespace %q: got  %s\nwant %s", test.namespace, got, test.want)
		}
	}
}

func TestZtunnelPolicies(t *testing.T) {
	tests := []struct{ namespace, want string }{{"", "data/c ns/a ns/b"}, {"NS", "ns/a ns/b"}, {"none", ""}}
	for _, test := range tests {
		var got []string
		for _, p := range ZtunnelPolicies(ambient(), test.namespace) {
			got = append(got, p.Key())
		}
		if got := strings.Join(got, " "); got != test.want {
			t.Errorf("namespace %q: got %s, want %s", test.namespace, got, test.want)
		}
	}
}

func TestZtunnelConnections(t *testing.T) {
	const (
		inbound  = "a.ns Inbound a.ns:8080 b.ns:5000 web.ns.svc TCP"
		outbound = "b.ns Outbound b.ns:4000 b.ns:15008 web.ns.svc:80 HBONE|b.ns Outbound b.ns:4001 not an address 172.18.0.5:443 "
	)
	tests := []struct {
		name   string
		filter ZtunnelConnectionFilter
		raw    bool
		want   string
	}{
		{"named; an address that two workloads share has no name", ZtunnelConnectionFilter{}, false, inbound + "|" + outbound},
		{"inbound", ZtunnelConnectionFilter{Direction: "inbound"}, false, inbound},
		{"outbound", ZtunnelConnectionFilter{Direction: ZtunnelOutbound, Namespace: "ns"}, false, outbound},
		{"raw", ZtunnelConnectionFilter{Direction: "inbound"}, true, "a.ns Inbound 10.0.0.1:8080 10.0.0.2:5000 web.ns.svc TCP"},
		{"other namespace", ZtunnelConnectionFilter{Namespace: "other"}, false, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, r := range ZtunnelConnections(ambient(), test.filter, test.raw) {
				got = append(got, strings.Join([]string{r.Workload, r.Direction, r.Local, r.Remote, r.Target, r.Protocol}, " "))
			}
			if got := strings.Join(got, "|"); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestZtunnelCertificates(t *testing.T) {
	from, until := "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
	within := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	x := mesh.ZtunnelX509{SerialNumber: "255", ValidFrom: from, ExpirationTime: until}
	bare := mesh.ZtunnelX509{SerialNumber: "12"}
	tests := []struct {
		name        string
		certificate mesh.ZtunnelCertificate
		asOf        time.Time
		want        []string // type, status, valid, serial, not after
	}{
		{"valid", mesh.ZtunnelCertificate{State: "Available", Chain: []mesh.ZtunnelX509{x}}, within, []string{"Leaf Available true ff " + until}},
		{"expired", mesh.ZtunnelCertificate{State: "Available", Chain: []mesh.ZtunnelX509{x}}, within.AddDate(0, 0, 1), []string{"Leaf Available false ff " + until}},
		{"not yet", mesh.ZtunnelCertificate{State: "Available", Chain: []mesh.ZtunnelX509{x}}, within.AddDate(0, 0, -1), []string{"Leaf Available false ff " + until}},
		{"no time", mesh.ZtunnelCertificate{State: "Available", Chain: []mesh.ZtunnelX509{x}}, time.Time{}, []string{"Leaf Available unknown ff " + until}},
		{
			"no time, and never valid",
			mesh.ZtunnelCertificate{State: "Available", Chain: []mesh.ZtunnelX509{{ValidFrom: until, ExpirationTime: from}, bare}}, time.Time{},
			[]string{"Leaf Available false NA " + from, "Root Available false c NA"},
		},
		{
			"root in the chain", mesh.ZtunnelCertificate{Chain: []mesh.ZtunnelX509{bare, bare, bare}}, within,
			[]string{"Leaf  false c NA", "Intermediate  false c NA", "Root  false c NA"},
		},
		{
			"root beside the chain", mesh.ZtunnelCertificate{Chain: []mesh.ZtunnelX509{bare, bare}, Roots: []mesh.ZtunnelX509{bare}}, within,
			[]string{"Leaf  false c NA", "Intermediate  false c NA", "Root  false c NA"},
		},
		{"none", mesh.ZtunnelCertificate{State: "Unavailable: no CA"}, within, []string{"NA Unavailable false NA NA"}},
		{"waiting", mesh.ZtunnelCertificate{State: "Initializing"}, within, []string{"NA Initializing false NA NA"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, r := range ZtunnelCertificates(&mesh.ZtunnelDump{Certificates: []*mesh.ZtunnelCertificate{&test.certificate}}, test.asOf) {
				got = append(got, strings.Join([]string{r.Type, r.Status, r.Valid, r.Serial, r.NotAfter}, " "))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestHexSerial(t *testing.T) {
	long := strings.Repeat("9", 100_000)
	tests := []struct{ decimal, want string }{
		{"", "NA"}, {"0", "0"}, {"305554775863395697262503895661564044819", "e5dfb59150b2ba7f108d93dcec5aa613"},
		{"e5:df", "e5:df"}, {long, long},
	}
	for _, test := range tests {
		if got := hexSerial(test.decimal); got != test.want {
			t.Errorf("%.20s: got %.20s, want %.20s", test.decimal, got, test.want)
		}
	}
}
