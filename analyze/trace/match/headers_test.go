package match

import (
	"testing"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

func jsonValue(t *testing.T, text string) *structpb.Value {
	t.Helper()
	if text == "" {
		return nil
	}
	return parse(t, &structpb.Value{}, text)
}

// The answers are those of Envoy 1.40.
func TestHeader(t *testing.T) {
	const present, absent = `"presentMatch": true`, `"presentMatch": false`
	const invert, empty = `, "invertMatch": true`, `, "treatMissingHeaderAsEmpty": true`
	tests := []struct {
		matcher string
		values  []string
		want    string
	}{
		{present, []string{""}, "matches"},
		{present, nil, "header x-a: wants present, got no such header"},
		{absent, nil, "matches"},
		{absent, []string{"1"}, "header x-a: wants absent, got 1"},
		{present + invert, nil, "matches"},
		{present + invert, []string{"1"}, "header x-a: wants absent, got 1"},
		{absent + invert, []string{"1"}, "matches"},
		{present + empty, nil, "matches"},
		{absent + empty, nil, "header x-a: wants absent, got no such header"},
		{present + invert + empty, nil, "header x-a: wants absent, got no such header"},
		{`"name": "x-a"`, []string{"1"}, "matches"},
		{`"name": "x-a"`, nil, "header x-a: wants present, got no such header"},

		{`"exactMatch": "1"`, []string{"1"}, "matches"},
		{`"exactMatch": ""`, []string{"1"}, "matches"},
		{`"exactMatch": ""`, nil, "header x-a: wants any value, got no such header"},
		{`"prefixMatch": "a"`, []string{"ab"}, "matches"},
		{`"suffixMatch": "b"`, []string{"ab"}, "matches"},
		{`"containsMatch": "b"`, []string{"abc"}, "matches"},
		{`"containsMatch": "x"`, []string{"abc"}, "header x-a: wants contains x, got abc"},
		{`"safeRegexMatch": {"regex": "[0-9]+"}`, []string{"12"}, "matches"},
		{`"safeRegexMatch": {"regex": "("}`, []string{"12"}, "header x-a: cannot be known: compiling safe_regex \"(\": expected an expression in RE2's syntax: error parsing regexp: missing closing ): `(`"},
		{`"stringMatch": {"exact": ""}`, []string{""}, "matches"},
		{`"stringMatch": {"exact": ""}` + empty, nil, "matches"},
		{`"stringMatch": {"exact": "u1"}`, []string{"u2"}, "header x-a: wants exact u1, got u2"},
		{`"stringMatch": {"exact": "u1"}` + invert, []string{"u1"}, "header x-a: wants not exact u1, got u1"},
		{`"stringMatch": {"exact": "u1"}` + invert, nil, "header x-a: wants not exact u1, got no such header"},
		{`"stringMatch": {"exact": "u1"}` + invert + empty, nil, "matches"},

		// Every line counts by itself.
		{`"stringMatch": {"exact": "2"}`, []string{"1", "2"}, "matches"},
		{`"stringMatch": {"exact": "1,2"}`, []string{"1", "2"}, "header x-a: wants exact 1,2, got 1,2"},
		{`"stringMatch": {"exact": "1,2"}`, []string{"1,2"}, "matches"},
		{`"stringMatch": {"exact": "2"}` + invert, []string{"1", "2"}, "header x-a: wants not exact 2, got 1,2"},
		{`"rangeMatch": {"start": 2, "end": 3}`, []string{"9", "2"}, "matches"},

		{`"rangeMatch": {"start": -5, "end": 10}`, []string{"-5"}, "matches"},
		{`"rangeMatch": {"start": -5, "end": 10}`, []string{" +9 "}, "matches"},
		{`"rangeMatch": {"start": -5, "end": 10}`, []string{"10"}, "header x-a: wants range [-5,10), got 10"},
		{`"rangeMatch": {"start": -5, "end": 10}`, []string{"5.0"}, "header x-a: wants range [-5,10), got 5.0"},
		{`"rangeMatch": {"start": -5, "end": 10}` + invert, []string{"x"}, "matches"},
	}
	for _, test := range tests {
		m := parse(t, &routev3.HeaderMatcher{}, "{"+test.matcher+"}")
		m.Name = "x-a"
		a := get("/")
		for _, value := range test.values {
			a = get("/", "X-A", value)
		}
		if len(test.values) == 2 {
			a = get("/", "x-a", test.values[0], "X-A", test.values[1])
		}
		t.Run(test.matcher, func(t *testing.T) { sameResult(t, CompileHeader(m).Match(a.Headers), test.want) })
	}
}

func TestHeaderNames(t *testing.T) {
	tests := []struct{ matcher, want string }{
		{`{"name": "Host", "exactMatch": "shop.example:8080"}`, "matches"},
		{`{"name": ":method", "exactMatch": "GET"}`, "matches"},
		// Envoy makes one line of those it knows by name, and keeps the rest apart.
		{`{"name": "Accept", "exactMatch": "a,b"}`, "matches"},
		{`{"name": "accept", "exactMatch": "b"}`, "header accept: wants exact b, got a,b"},
		{`{"name": "cookie", "exactMatch": "d=2"}`, "matches"},
	}
	a := get("/", "accept", "a", "accept", "b", "cookie", "c=1", "cookie", "d=2")
	for _, test := range tests {
		m := parse(t, &routev3.HeaderMatcher{}, test.matcher)
		t.Run(test.matcher, func(t *testing.T) { sameResult(t, CompileHeader(m).Match(a.Headers), test.want) })
	}
}

func TestQuery(t *testing.T) {
	tests := []struct{ matcher, path, want string }{
		{`{"name": "q"}`, "/?q", "matches"},
		{`{"name": "q"}`, "/?Q=1", "query parameter q: wants present, got no such parameter"},
		{`{"name": "q", "presentMatch": true}`, "/?a=b&q=", "matches"},
		{`{"name": "q", "presentMatch": false}`, "/q", "matches"},
		{`{"name": "q", "presentMatch": false}`, "/?q=1", "query parameter q: wants absent, got 1"},
		{`{"name": "q", "stringMatch": {"exact": "1"}}`, "/?q=1&q=2", "matches"},
		{`{"name": "q", "stringMatch": {"exact": "2"}}`, "/?q=1&q=2", "query parameter q: wants exact 2, got 1"},
		{`{"name": "q", "stringMatch": {"exact": ""}}`, "/?q", "matches"},
		{`{"name": "q", "stringMatch": {"exact": "1=2"}}`, "/?q=1=2", "matches"},
		{`{"name": "q", "stringMatch": {"exact": "a b"}}`, "/?q=a%20b", "query parameter q: wants exact a b, got a%20b"},
		{`{"name": "q", "stringMatch": {"exact": "1"}}`, "/??q=1", "query parameter q: wants exact 1, got no such parameter"},
		{`{"name": "q", "stringMatch": {"exact": "1"}}`, "/", "query parameter q: wants exact 1, got no such parameter"},
	}
	for _, test := range tests {
		q := CompileQuery(parse(t, &routev3.QueryParameterMatcher{}, test.matcher))
		t.Run(test.matcher+test.path, func(t *testing.T) { sameResult(t, q.Match(test.path), test.want) })
	}
}

func TestCookie(t *testing.T) {
	const one, not = `{"name": "s", "stringMatch": {"exact": "1"}}`, `{"name": "s", "stringMatch": {"exact": "1"}, "invertMatch": true}`
	tests := []struct {
		matcher string
		lines   []string
		want    string
	}{
		{one, []string{"s=1"}, "matches"},
		{one, []string{`a=2; s="1"`}, "matches"},
		{one, []string{"a=1", "  s=1"}, "matches"},
		{one, []string{"s=2; s=1"}, "cookie s: wants exact 1, got 2"},
		{one, []string{"s"}, "cookie s: wants exact 1, got no such cookie"},
		{one, []string{"s =1;S=1"}, "cookie s: wants exact 1, got no such cookie"},
		{not, nil, "matches"},
		{not, []string{"s=1"}, "cookie s: wants not exact 1, got 1"},
	}
	for _, test := range tests {
		var pairs []string
		for _, line := range test.lines {
			pairs = append(pairs, "Cookie", line)
		}
		c := CompileCookie(parse(t, &routev3.CookieMatcher{}, test.matcher))
		sameResult(t, c.Match(get("/", pairs...).Headers), test.want)
	}
}
