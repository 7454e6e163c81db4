package loader

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meshray/meshray/analyze/mesh"
)

// describeSync writes a sync state on one line, with all that the input said.
func describeSync(s mesh.SyncStatus) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s cluster=%s type=%s proxy=%s istio=%s istiod=%s", s.Proxy, s.ClusterID, s.ProxyType, s.ProxyVersion, s.IstioVersion, s.Istiod)
	for _, t := range s.Types {
		fmt.Fprintf(&b, " | %s sent=%s acked=%s", t.Type, t.Sent, t.Acked)
		if !t.SentAt.IsZero() {
			fmt.Fprintf(&b, " sentAt=%s", t.SentAt.Format(time.RFC3339Nano))
		}
		if !t.AckedAt.IsZero() {
			fmt.Fprintf(&b, " ackedAt=%s", t.AckedAt.Format(time.RFC3339Nano))
		}
		if t.Percent >= 0 {
			fmt.Fprintf(&b, " percent=%d", t.Percent)
		}
		if t.Status != "" {
			fmt.Fprintf(&b, " status=%s", t.Status)
		}
		if t.LastError != "" {
			fmt.Fprintf(&b, " error=%s", t.LastError)
		}
	}
	return b.String()
}

func checkSync(t *testing.T, got []mesh.SyncStatus, err error, want []string, wantErr string) {
	t.Helper()
	var lines []string
	for _, s := range got {
		lines = append(lines, describeSync(s))
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(lines, "\n     "), strings.Join(want, "\n     "))
	}
	if (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
		t.Errorf("got error %v, want one with %q", err, wantErr)
	}
}

func TestParseSyncz(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
		wantErr  string
	}{
		{
			name: "1.0: nonces are times, the array ends with an empty object",
			in: `[{"proxy":"a.ns","proxy_version":"1.0","cluster_sent":"2009-11-10 23:00:00 +0000 UTC m=+0.01",
				"cluster_acked":"2009-11-10 22:00:00 +0000 UTC m=+0.01","endpoint_sent":"n","endpoint_acked":"n","endpoint_percent":100},{}]`,
			want: []string{"a.ns cluster= type= proxy=1.0 istio= istiod=" +
				" | CDS sent=2009-11-10 23:00:00 +0000 UTC m=+0.01 acked=2009-11-10 22:00:00 +0000 UTC m=+0.01 sentAt=2009-11-10T23:00:00Z ackedAt=2009-11-10T22:00:00Z" +
				" | EDS sent=n acked=n percent=100"},
		},
		{
			name: "1.14: the cluster, ECDS, and nonces without a time",
			in: `[{"cluster_id":"Kubernetes","proxy":"a.b.ns","istio_version":"1.14.1","route_sent":"/AT1qbDZUKE=e2a8","route_acked":"",
				"extensionconfig_sent":"x","extensionconfig_acked":"x"}]`,
			want: []string{"a.b.ns cluster=Kubernetes type= proxy= istio=1.14.1 istiod= | RDS sent=/AT1qbDZUKE=e2a8 acked= | ECDS sent=x acked=x"},
		},
		{
			name: "1.32: resources have the exact time, the reason and more types",
			in: `[{"proxy":"a.ns","proxy_type":"sidecar","listener_sent":"2026-11-22T07:29:20Z/u","listener_acked":"2026-11-22T07:29:18Z/t","resources":{
				"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret":{"sent":"s","acked":"s"},
				"type.googleapis.com/envoy.config.listener.v3.Listener":{"sent":"2026-11-22T07:29:20Z/u","acked":"2026-11-22T07:29:18Z/t","sentTime":"2026-11-22T07:29:20.5Z","lastError":"bad \"filter\""},
				"type.example.com/new.Type":{}}}]`,
			want: []string{"a.ns cluster= type=sidecar proxy= istio= istiod=" +
				" | LDS sent=2026-11-22T07:29:20Z/u acked=2026-11-22T07:29:18Z/t sentAt=2026-11-22T07:29:20.5Z ackedAt=2026-11-22T07:29:18Z error=bad \"filter\"" +
				" | type.example.com/new.Type sent= acked= | SDS sent=s acked=s"},
		},
		{
			name:    "an element of another kind is passed over",
			in:      `[{"proxy":"a.ns"},7,{"istio_version":"1.9"},{"proxy":"b.ns"}]`,
			want:    []string{"a.ns cluster= type= proxy= istio= istiod=", "b.ns cluster= type= proxy= istio= istiod="},
			wantErr: "element 1: expected an object\nelement 2: expected a \"proxy\"",
		},
		{name: "nobody is connected", in: `[]`},
		{
			name: "of two istiods, one behind the other",
			in:   "[{\"proxy\":\"a.ns\"}]\n[{\"proxy\":\"b.ns\"}]\n",
			want: []string{"a.ns cluster= type= proxy= istio= istiod=", "b.ns cluster= type= proxy= istio= istiod="},
		},
		{name: "cut off", in: `[{"proxy":"a.ns"},{"pro`, want: []string{"a.ns cluster= type= proxy= istio= istiod="}, wantErr: "reading debug/syncz: "},
		{name: "not an array", in: `{"proxy":"a.ns"}`, wantErr: "expected an array"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseSyncz([]byte(test.in))
			checkSync(t, got, err, test.want, test.wantErr)
		})
	}
}

func TestParseClientConfig(t *testing.T) {
	const response = `{"typeUrl":"istio.io/debug/syncz","controlPlane":{"identifier":"{\"Component\":\"istiod\",\"ID\":\"istiod-1\",\"Info\":{}}"},"resources":[
		{"@type":"type.googleapis.com/envoy.service.status.v3.ClientConfig","node":{"id":"a.ns","metadata":{"CLUSTER_ID":"c1","ISTIO_VERSION":"1.27.0"}},
		"genericXdsConfigs":[{"typeUrl":"type.googleapis.com/envoy.config.listener.v3.Listener","configStatus":"ERROR","lastUpdated":"2026-01-02T03:04:05Z","errorState":{"details":"no such filter"}},
		{"typeUrl":"type.googleapis.com/envoy.config.cluster.v3.Cluster","configStatus":"SYNCED"},{"typeUrl":"type.googleapis.com/istio.workload.Address"}]}]}`
	const read = "a.ns cluster=c1 type= proxy= istio=1.27.0 istiod=istiod-1 | CDS sent= acked= status=SYNCED" +
		" | LDS sent= acked= sentAt=2026-01-02T03:04:05Z status=ERROR error=no such filter | WDS sent= acked= status=UNKNOWN"
	tests := []struct {
		name, in string
		want     []string
		wantErr  string
	}{
		{name: "one istiod", in: response, want: []string{read}},
		{name: "istioctl prints a document per istiod", in: response + "\n" + strings.ReplaceAll(response, "istiod-1", "istiod-2"),
			want: []string{read, strings.ReplaceAll(read, "istiod-1", "istiod-2")}},
		{name: "an array of responses", in: "[" + response + "]", want: []string{read}},
		{
			name: "PerXdsConfig in snake_case, with Envoy's node id and no control plane",
			in: `{"resources":[{"node":{"id":"router~10.0.0.1~gw-1.edge~edge.svc.cluster.local"},"xds_config":[{"status":"STALE","route_config":{}},
				{"cluster_config":{}},{"status":"SYNCED","scoped_route_config":{}}]}]}`,
			want: []string{"gw-1.edge cluster= type=router proxy= istio= istiod= | CDS sent= acked= status=UNKNOWN | RDS sent= acked= status=STALE"},
		},
		{
			name: "an identifier that is no JSON", in: strings.Replace(response, `{\"Component\":\"istiod\",\"ID\":`, `istiod `, 1),
			want: []string{strings.Replace(read, "istiod=istiod-1", "istiod=", 1)},
		},
		{name: "another message", in: `{"typeUrl":"istio.io/debug/x","resources":[{"@type":"x"}]}`, wantErr: "element 0: expected a ClientConfig with a node id"},
		{name: "the second document is cut off", in: response + `{"resources":[`, want: []string{read}, wantErr: "reading xDS ClientConfig: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseClientConfig([]byte(test.in))
			checkSync(t, got, err, test.want, test.wantErr)
		})
	}
}

func TestParseAdsz(t *testing.T) {
	tests := []struct {
		name, in, want, wantErr string
	}{
		{
			name: "today", in: `{"totalClients":1,"clients":[{"connectionId":"a-1.ns-12","connectedAt":"2026-11-22T07:29:19.4Z","address":"10.0.0.1:9",
				"metadata":{"ISTIO_VERSION":"1.32.0","CLUSTER_ID":"c1"},"watches":{"type.googleapis.com/x.Y":["b","a"]}}]}`,
			want: `[{"ID":"a-1.ns-12","Proxy":"a-1.ns","Address":"10.0.0.1:9","ConnectedAt":"2026-11-22T07:29:19.4Z","IstioVersion":"1.32.0","ClusterID":"c1","Watches":{"type.googleapis.com/x.Y":["b","a"]}}]`,
		},
		{
			name: "1.0", in: `[{"node":"sidecar~10.0.0.1~a-1.ns~ns.svc.cluster.local-3","addr":"10.0.0.1:9","connect":"2018-05-29 20:35:10.05 +0000 UTC m=+615.03","listeners":[]},{}]`,
			want: `[{"ID":"sidecar~10.0.0.1~a-1.ns~ns.svc.cluster.local-3","Proxy":"a-1.ns","Address":"10.0.0.1:9","ConnectedAt":"2018-05-29T20:35:10.05Z","IstioVersion":"","ClusterID":"","Watches":null}]`,
		},
		{name: "nobody", in: `{"totalClients":0,"clients":null}`, want: "null"},
		{name: "nobody, without a list", in: `{"totalClients":0}`, want: "null"},
		{
			name: "a client without an id", in: `{"clients":[{"address":"x"}]}`,
			want: "null", wantErr: "reading debug/adsz: element 0: expected a connectionId",
		},
		{name: "clients are no list", in: `{"clients":{}}`, want: "null", wantErr: "expected an array of objects"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseAdsz([]byte(test.in))
			text, _ := json.Marshal(got)
			if string(text) != test.want {
				t.Errorf("got  %s\nwant %s", text, test.want)
			}
			if (err == nil) != (test.wantErr == "") || err != nil && !strings.Contains(err.Error(), test.wantErr) {
				t.Errorf("got error %v, want one with %q", err, test.wantErr)
			}
		})
	}
}

// FuzzSync feeds the three parsers of sync states; a status must always name its
// proxy, and every type must have a name.
func FuzzSync(f *testing.F) {
	for _, seed := range []string{
		`[{"proxy":"a.ns","cluster_sent":"2026-11-22T07:29:20Z/u","endpoint_percent":1,"resources":{"t":{"sent":"s","sentTime":"x"}}},{}]`,
		`{"resources":[{"node":{"id":"a~b~c.d~e"},"generic_xds_configs":[{"type_url":"t"}],"xdsConfig":[{"listenerConfig":{}}]}]}{"config":[]}`,
		`{"totalClients":1,"clients":[{"connectionId":"-","watches":{"a":["b",1]}}]}`,
		`[{"node":"a-1","connect":"2018-05-29 20:35:10 +0000 UTC"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, parse := range []func([]byte) ([]mesh.SyncStatus, error){parseSyncz, parseClientConfig} {
			statuses, _ := parse(raw)
			for _, s := range statuses {
				if s.Proxy == "" {
					t.Errorf("a status of no proxy: %s", describeSync(s))
				}
			}
		}
		connections, _ := parseAdsz(raw)
		for _, c := range connections {
			if c.ID == "" {
				t.Error("a connection without an id")
			}
		}
	})
}
