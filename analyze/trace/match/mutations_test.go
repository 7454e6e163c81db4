package match

import (
	"slices"
	"testing"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

func TestFormat(t *testing.T) {
	tests := []struct {
		format, want string
		unknown      []string
	}{
		{"plain", "plain", nil},
		{"100%%", "100%", nil},
		{"%REQ(x-a)%", "abc", nil},
		{"%REQ(x-a):2%!", "ab!", nil},
		{"%REQ(x-z?x-a)%", "abc", nil},
		{"<%REQ(x-z)%>", "<>", nil},
		{"%REQ(:PATH)%", "/p?q", nil},
		{"%REQ(accept)%", "a,b", nil},
		{"%PROTOCOL% %DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "HTTP/1.1 10.0.0.7:4444 10.0.0.7", nil},
		{"%DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%", "10.0.0.8:5555 10.0.0.8", nil},
		{"%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_LOCAL_PORT%", "10.0.0.1:80 10.0.0.1 80", nil},
		{"%REQUESTED_SERVER_NAME%%DOWNSTREAM_PEER_URI_SAN%", "", nil},
		{"a%UPSTREAM_HOST%b%START_TIME(%s.%3f)%", "a%UPSTREAM_HOST%b%START_TIME(%s.%3f)%", []string{"%UPSTREAM_HOST%", "%START_TIME(%s.%3f)%"}},
		{"5% of", "5% of", nil},
		{"%", "%", nil},
	}
	for _, test := range tests {
		f := CompileFormat(test.format)
		a := get("/p?q", "x-a", "abc", "x-a", "second", "accept", "a", "accept", "b")
		if got := f.Apply(a); got != test.want || !slices.Equal(f.Unknown, test.unknown) {
			t.Errorf("%s: got %q, unknown %q, want %q, unknown %q", test.format, got, f.Unknown, test.want, test.unknown)
		}
	}
}

func TestMutations(t *testing.T) {
	tests := []struct {
		route string
		want  []string // values of x-h
	}{
		{`"requestHeadersToAdd": [{"header": {"key": "X-H", "value": "new"}}]`, []string{"old", "new"}},
		{`"requestHeadersToAdd": [{"header": {"key": "x-h", "value": "new"}, "append": false}]`, []string{"new"}},
		{`"requestHeadersToAdd": [{"header": {"key": "x-h", "value": "new"}, "appendAction": "OVERWRITE_IF_EXISTS_OR_ADD"}]`, []string{"new"}},
		{`"requestHeadersToAdd": [{"header": {"key": "x-h", "value": "new"}, "appendAction": "OVERWRITE_IF_EXISTS"}]`, []string{"new"}},
		{`"requestHeadersToAdd": [{"header": {"key": "x-h", "value": "new"}, "appendAction": "ADD_IF_ABSENT"}]`, []string{"old"}},
		{`"requestHeadersToRemove": ["X-H"]`, nil},
		{`"requestHeadersToRemove": ["x-h"], "requestHeadersToAdd": [{"header": {"key": "x-h", "value": "new"}, "appendAction": "ADD_IF_ABSENT"}]`, []string{"new"}},
		{`"requestHeadersToRemove": ["x-h"], "requestHeadersToAdd": [{"header": {"key": "x-h", "value": "new"}, "appendAction": "OVERWRITE_IF_EXISTS"}]`, nil},
		// Values are formatted after the removal and before anything is added.
		{`"requestHeadersToRemove": ["x-h"], "requestHeadersToAdd": [{"header": {"key": "x-h", "value": "<%REQ(x-h)%>"}}]`, []string{"<>"}},
		{`"requestHeadersToAdd": [{"header": {"key": "x-g", "value": "g"}}, {"header": {"key": "x-h", "value": "<%REQ(x-g)%>"}, "append": false}]`, []string{"<>"}},
		// Replacing goes before adding, whatever the order of the options.
		{`"requestHeadersToAdd": [{"header": {"key": "x-h", "value": "1"}}, {"header": {"key": "x-h", "value": "2"}, "appendAction": "OVERWRITE_IF_EXISTS"}]`, []string{"2", "1"}},
		{`"requestHeadersToAdd": [{"header": {"key": "x-h", "value": "%REQ(none)%"}, "append": false}]`, []string{"old"}},
		{`"requestHeadersToAdd": [{"header": {"key": "x-h", "value": "%REQ(none)%"}, "append": false, "keepEmptyValue": true}]`, []string{""}},
	}
	for _, test := range tests {
		t.Run(test.route, func(t *testing.T) {
			route := parse(t, &routev3.Route{}, "{"+test.route+"}")
			m := CompileMutations(route.GetRequestHeadersToAdd(), route.GetRequestHeadersToRemove())
			a := get("/", "x-h", "old")
			if got := m.Apply(a).Values("x-h"); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if got := a.Headers.Values("x-h"); !slices.Equal(got, []string{"old"}) {
				t.Errorf("the headers of the request were changed to %q", got)
			}
		})
	}
	route := parse(t, &routev3.Route{}, `{"requestHeadersToAdd": [{"header": {"key": "x-h", "value": "%UPSTREAM_HOST%"}}]}`)
	if got := CompileMutations(route.GetRequestHeadersToAdd(), nil).Unknown(); !slices.Equal(got, []string{"%UPSTREAM_HOST%"}) {
		t.Errorf("Unknown: got %q, want %%UPSTREAM_HOST%%", got)
	}
}
