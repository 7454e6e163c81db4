package loader

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/fixtures"
)

// withoutRaw is the dump without the JSON that it was read from.
func withoutRaw(d *mesh.ZtunnelDump) *mesh.ZtunnelDump {
	for _, w := range d.Workloads {
		w.Raw = nil
	}
	for _, s := range d.Services {
		s.Raw = nil
	}
	for _, p := range d.Policies {
		p.Raw = nil
	}
	for _, c := range d.Certificates {
		c.Raw = nil
	}
	for _, s := range d.States {
		s.Raw = nil
	}
	d.Config = nil
	return d
}

func TestParseZtunnel(t *testing.T) {
	tests := []struct {
		name, raw string
		want      mesh.ZtunnelDump
	}{
		{"nothing in it", `{}`, mesh.ZtunnelDump{}},
		{"sections of null", `{"workloads":null,"services":null,"policies":null,"certificates":null,"workloadState":null}`, mesh.ZtunnelDump{}},
		{
			"workload in a list",
			`{"workloads":[{"uid":"c//Pod/ns/a","name":"a","namespace":"ns","workloadIps":["10.0.0.1","fd00::1"],"protocol":"HBONE",
				"waypoint":{"destination":"ns/wp.ns.svc","hboneMtlsPort":15008},"status":"Healthy","node":"n1","services":["ns/a.ns.svc"],
				"authorizationPolicies":["ns/p"],"clusterId":"c","trustDomain":"td","serviceAccount":"sa","canonicalName":"a","networkMode":"Standard"}]}`,
			mesh.ZtunnelDump{Workloads: []*mesh.ZtunnelWorkload{{
				UID: "c//Pod/ns/a", Name: "a", Namespace: "ns", Addresses: []string{"10.0.0.1", "fd00::1"}, Protocol: "HBONE",
				Waypoint: &mesh.ZtunnelGateway{Destination: "ns/wp.ns.svc", Port: 15008}, Status: "Healthy", Node: "n1",
				Services: []string{"ns/a.ns.svc"}, Policies: []string{"ns/p"}, ClusterID: "c", TrustDomain: "td", ServiceAccount: "sa", CanonicalName: "a",
			}}},
		},
		{
			"workloads in a map, in its order",
			`{"workloads":{"/10.0.0.2":{"name":"b"},"/10.0.0.1":{"name":"a","waypoint":null}}}`,
			mesh.ZtunnelDump{Workloads: []*mesh.ZtunnelWorkload{{Name: "b"}, {Name: "a"}}},
		},
		{
			"types that changed",
			`{"workloads":[{"name":7,"hostname":null,"workloadIps":"10.0.0.1","protocol":{"LegacyIstioMtls":{}},"status":true,
				"waypoint":{"destination":{"namespace":"ns","hostname":"wp.ns.svc"},"port":"15008"}}]}`,
			mesh.ZtunnelDump{Workloads: []*mesh.ZtunnelWorkload{{
				Name: "7", Addresses: []string{"10.0.0.1"}, Protocol: "LegacyIstioMtls: {}", Status: "true",
				Waypoint: &mesh.ZtunnelGateway{Destination: "ns/wp.ns.svc", Port: 15008},
			}}},
		},
		{
			"service",
			`{"services":[{"name":"s","namespace":"ns","hostname":"s.ns.svc","vips":["net/10.1.0.1"],"ports":{"443":8443,"80":8080,"x":1},
				"endpoints":{"k":{"workloadUid":"u","address":"/10.0.0.1","port":{"80":8080},"status":"Unhealthy"}},
				"subjectAltNames":["spiffe://x"],"ipFamilies":"Dual"}]}`,
			mesh.ZtunnelDump{Services: []*mesh.ZtunnelService{{
				Name: "s", Namespace: "ns", Hostname: "s.ns.svc", VIPs: []string{"net/10.1.0.1"},
				Ports:           []mesh.ZtunnelPort{{Service: 80, Target: 8080}, {Service: 443, Target: 8443}},
				Endpoints:       []mesh.ZtunnelEndpoint{{WorkloadUID: "u", Address: "/10.0.0.1", Status: "Unhealthy", Ports: []mesh.ZtunnelPort{{Service: 80, Target: 8080}}}},
				SubjectAltNames: []string{"spiffe://x"}, IPFamilies: "Dual",
			}}},
		},
		{
			"endpoints in a list", `{"services":[{"name":"s","endpoints":[{"workloadUid":"u"}]}]}`,
			mesh.ZtunnelDump{Services: []*mesh.ZtunnelService{{Name: "s", Endpoints: []mesh.ZtunnelEndpoint{{WorkloadUID: "u"}}}}},
		},
		{
			"policies in a map", `{"policies":{"ns/p":{"name":"p","namespace":"ns","action":"Deny","scope":"Global","rules":[[]]}}}`,
			mesh.ZtunnelDump{Policies: []*mesh.ZtunnelPolicy{{Name: "p", Namespace: "ns", Action: "Deny", Scope: "Global", Rules: json.RawMessage("[[]]")}}},
		},
		{
			"certificate", `{"certificates":[{"identity":"i","state":{"Unavailable":"no CA"},"certChain":[{"pem":"P","serialNumber":12,
				"validFrom":"2026-01-01T00:00:00Z","expirationTime":"2027-01-01T00:00:00Z"}],"rootCerts":[{"serialNumber":"1"}]}]}`,
			mesh.ZtunnelDump{Certificates: []*mesh.ZtunnelCertificate{{
				Identity: "i", State: "Unavailable: no CA",
				Chain: []mesh.ZtunnelX509{{PEM: "P", SerialNumber: "12", ValidFrom: "2026-01-01T00:00:00Z", ExpirationTime: "2027-01-01T00:00:00Z"}},
				Roots: []mesh.ZtunnelX509{{SerialNumber: "1"}},
			}}},
		},
		{
			"states", `{"workloadState":{"uid-1":{"state":"Up","info":{"name":"a","namespace":"ns","trustDomain":"td","serviceAccount":"sa"},
				"connections":{"inbound":[{"src":"1.1.1.1:1","dst":"2.2.2.2:2"}],
				"outbound":[{"src":"2.2.2.2:3","originalDst":"3.3.3.3:4","actualDst":"4.4.4.4:15008","protocol":"HBONE"}]}}}}`,
			mesh.ZtunnelDump{States: []*mesh.ZtunnelState{{
				UID: "uid-1", State: "Up", Name: "a", Namespace: "ns", TrustDomain: "td", ServiceAccount: "sa",
				Inbound:  []mesh.ZtunnelConnection{{Source: "1.1.1.1:1", ActualDestination: "2.2.2.2:2"}},
				Outbound: []mesh.ZtunnelConnection{{Source: "2.2.2.2:3", OriginalDestination: "3.3.3.3:4", ActualDestination: "4.4.4.4:15008", Protocol: "HBONE"}},
			}}},
		},
		{
			"snake case and a trailing comma", `{"workload_state":{"u":{"state":"Up",}},"workloads":[{"workload_ips":["1.1.1.1"],}]}`,
			mesh.ZtunnelDump{
				Workloads: []*mesh.ZtunnelWorkload{{Addresses: []string{"1.1.1.1"}}},
				States:    []*mesh.ZtunnelState{{UID: "u", State: "Up"}},
			},
		},
		{
			"version of a build that does not know its own",
			`{"version":{"istioVersion":"unknown"},"config":{"localNode":"n1","proxyMetadata":{"ISTIO_VERSION":"1.24.1"}}}`,
			mesh.ZtunnelDump{Version: "1.24.1", Node: "n1"},
		},
		{"version", `{"version":{"istioVersion":"1.25.0"}}`, mesh.ZtunnelDump{Version: "1.25.0"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseZtunnel([]byte(test.raw))
			if err != nil {
				t.Fatalf("got error %v", err)
			}
			if got := withoutRaw(got); !reflect.DeepEqual(*got, test.want) {
				t.Errorf("got  %s\nwant %s", asJSON(t, *got), asJSON(t, test.want))
			}
		})
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestParseDamagedZtunnel: what can be read is read, and the rest is named.
func TestParseDamagedZtunnel(t *testing.T) {
	tests := []struct {
		name, raw string
		names     string // of the workloads that were read
		message   string
	}{
		{
			"entry that is no object", `{"workloads":[{"name":"a"},7,{"name":"b"}]}`, "a b",
			`reading workloads/1 of the ztunnel dump: expected a JSON object, found "7"`,
		},
		{
			"entry of a map that is no object", `{"workloads":{"x":"text","y":{"name":"b"}}}`, "b",
			`reading workloads/x of the ztunnel dump: expected a JSON object, found "\"text\""`,
		},
		{
			"entry that is no JSON", `{"workloads":[{"name":"a"},{"name":nope}]}`, "a",
			`reading workloads/1 of the ztunnel dump: expected a JSON object, found "{\"name\":nope}"`,
		},
		{
			"section that is no list", `{"services":true,"workloads":[{"name":"a"}]}`, "a",
			`reading services of the ztunnel dump: expected a list or a map, found "true"`,
		},
		{
			"cut off", `{"workloads":[{"name":"a"}],"services":[{"na`, "a",
			`reading the top level of the ztunnel dump: the JSON text is cut off: unexpected EOF`,
		},
		{
			"no object", `[]`, "",
			`reading the top level of the ztunnel dump: byte 0: expected an object, found '['`,
		},
		{
			"many", `{"workloads":[1,1,1,1,1,1,1,1,1,1,1,1]}`, "",
			"and 2 more entries that could not be read",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseZtunnel([]byte(test.raw))
			if err == nil || !strings.HasSuffix(err.Error(), test.message) {
				t.Errorf("got error %v, want %s", err, test.message)
			}
			var names []string
			for _, w := range got.Workloads {
				names = append(names, w.Name)
			}
			if got := strings.Join(names, " "); got != test.names {
				t.Errorf("got workloads %q, want %q", got, test.names)
			}
		})
	}
}

func TestParseZtunnelCorpus(t *testing.T) {
	tests := []struct {
		file string
		want []int // workloads, services, policies, certificates, states
	}{
		{"dump.json", []int{27, 19, 2, 4, 6}},
		{"kiali-1.24.json", []int{48, 39, 0, 0, 0}},
	}
	for _, test := range tests {
		raw, err := os.ReadFile(filepath.Join(fixtures.Shared(t), "corpus", "ztunnel", test.file))
		if err != nil {
			t.Fatal(err)
		}
		d, err := parseZtunnel(raw)
		if err != nil {
			t.Errorf("%s: got error %v", test.file, err)
		}
		got := []int{len(d.Workloads), len(d.Services), len(d.Policies), len(d.Certificates), len(d.States)}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %d entries, want %d", test.file, got, test.want)
		}
	}
}

func FuzzParseZtunnel(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, `{"workloads":{"a":{"name":"b"}},"services":[{"ports":{"80":"x"}}]}`,
		`{"certificates":[{"state":{"Unavailable":{"a":[1]}},"certChain":[null,7,{"serialNumber":1e9}]}]}`,
		`{"workloadState":{"u":{"connections":{"inbound":{},"outbound":[[]]}}},"policies":[{"rules":[}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, _ := parseZtunnel(raw)
		for _, w := range d.Workloads {
			if !json.Valid(w.Raw) {
				t.Errorf("got a workload's raw text %q, want JSON", w.Raw)
			}
		}
		for _, s := range d.States {
			if !json.Valid(s.Raw) {
				t.Errorf("got a state's raw text %q, want JSON", s.Raw)
			}
		}
	})
}
