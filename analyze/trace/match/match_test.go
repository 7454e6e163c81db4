package match

import (
	"net/netip"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/meshray/meshray/analyze/request"
)

// parse reads a message from its JSON form.
func parse[M proto.Message](t testing.TB, m M, text string) M {
	t.Helper()
	if err := protojson.Unmarshal([]byte(text), m); err != nil {
		t.Fatalf("reading %s: %v", text, err)
	}
	return m
}

// get is a cleartext GET request of a path with pairs of header names and values.
func get(path string, pairs ...string) *Attributes {
	headers := request.Headers{{Name: ":method", Value: "GET"}, {Name: ":path", Value: path}, {Name: ":authority", Value: "shop.example:8080"}, {Name: ":scheme", Value: "http"}}
	for i := 0; i < len(pairs); i += 2 {
		headers = append(headers, request.Header{Name: pairs[i], Value: pairs[i+1]})
	}
	return &Attributes{
		Headers: headers, Protocol: "HTTP/1.1",
		Source: netip.MustParseAddrPort("10.0.0.7:4444"), DirectSource: netip.MustParseAddrPort("10.0.0.8:5555"),
		Destination: netip.MustParseAddrPort("10.0.0.1:80"),
	}
}

// without is a request with one header less.
func (a *Attributes) without(name string) *Attributes {
	a.Headers = a.Headers.Without(name)
	return a
}

// sameResult compares an answer with its text: "matches" for Yes.
func sameResult(t *testing.T, got Result, want string) {
	t.Helper()
	if got.String() != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
