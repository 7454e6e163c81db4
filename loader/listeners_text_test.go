package loader

import (
	"path/filepath"
	"testing"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/meshray/meshray/fixtures"
)

func TestParseListenersAgreesWithJSON(t *testing.T) {
	shared := fixtures.Shared(t)
	for _, moment := range []string{"before", "after"} {
		t.Run(moment, func(t *testing.T) {
			folder := filepath.Join(shared, "captures", "envoy-real", moment)
			want := &adminv3.Listeners{}
			if err := protojson.Unmarshal(readFile(t, filepath.Join(folder, "listeners.json")), want); err != nil {
				t.Fatal(err)
			}
			got, err := parseListeners(readFile(t, filepath.Join(folder, "listeners")))
			if err != nil {
				t.Errorf("got error %v, want none", err)
			}
			if !proto.Equal(got, want) {
				t.Error(fixtures.Diff("listeners", indented(t, want), indented(t, got)))
			}
		})
	}
}

func TestParseListeners(t *testing.T) {
	tests := []struct {
		name, page    string
		want, wantErr string
	}{
		{
			name: "IPv4 and IPv6",
			page: "0.0.0.0_15006::0.0.0.0:15006\r\n[::]_15001::[::]:15001\r\n",
			want: `{"listenerStatuses":[{"name":"0.0.0.0_15006","localAddress":{"socketAddress":{"address":"0.0.0.0","portValue":15006}}},` +
				`{"name":"[::]_15001","localAddress":{"socketAddress":{"address":"::","portValue":15001}}}]}`,
		},
		{
			name: "several addresses of one listener",
			page: "dual::0.0.0.0:80\ndual::[::]:80\nother::127.0.0.1:1\ndual::[::1]:81\n",
			want: `{"listenerStatuses":[{"name":"dual","localAddress":{"socketAddress":{"address":"0.0.0.0","portValue":80}},"additionalLocalAddresses":[` +
				`{"socketAddress":{"address":"::","portValue":80}},{"socketAddress":{"address":"::1","portValue":81}}]},` +
				`{"name":"other","localAddress":{"socketAddress":{"address":"127.0.0.1","portValue":1}}}]}`,
		},
		{
			name: "pipe, internal, without a socket",
			page: "p::/run/envoy.sock\ni::envoy://main_internal/\nconnect_originate:::0\n",
			want: `{"listenerStatuses":[{"name":"p","localAddress":{"pipe":{"path":"/run/envoy.sock"}}},` +
				`{"name":"i","localAddress":{"envoyInternalAddress":{"serverListenerName":"main_internal"}}},{"name":"connect_originate"}]}`,
		},
		{
			name:    "garbage and a cut line",
			page:    "\x00\nno separator\n:::0\na::1.2.3.4:80\nb::1.2.3.4:",
			want:    `{"listenerStatuses":[{"name":"a","localAddress":{"socketAddress":{"address":"1.2.3.4","portValue":80}}}]}`,
			wantErr: `expected "listener::address": lines passed over: 4, the first is line 1: "\x00"`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			listeners, err := parseListeners([]byte(test.page))
			if got := message(err); got != test.wantErr {
				t.Errorf("got error %q\nwant %q", got, test.wantErr)
			}
			want := &adminv3.Listeners{}
			if err := protojson.Unmarshal([]byte(test.want), want); err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(listeners, want) {
				t.Error(fixtures.Diff("listeners", indented(t, want), indented(t, listeners)))
			}
		})
	}
}

func FuzzParseListeners(f *testing.F) {
	f.Add([]byte("0.0.0.0_15006::0.0.0.0:15006\n[::]_1::[::]:1\r\np::@x\ni:::0\nbad"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		listeners, _ := parseListeners(raw)
		if _, err := proto.Marshal(listeners); err != nil {
			t.Errorf("got a message that cannot be marshalled: %v", err)
		}
	})
}
