package request_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/request"
)

func TestParse(t *testing.T) {
	for target, want := range map[string]string{
		"http://reviews:9080/ratings/7?a=b#c": `{"protocol":"http/1.1","method":"GET","scheme":"http","authority":"reviews:9080","path":"/ratings/7?a=b"}`,
		"reviews:9080":                        `{"protocol":"http/1.1","method":"GET","scheme":"http","authority":"reviews:9080","path":"/"}`,
		"http://h?q":                          `{"protocol":"http/1.1","method":"GET","scheme":"http","authority":"h","path":"/?q"}`,
		"HTTPS://shop.example.com/x":          `{"protocol":"http/1.1","method":"GET","scheme":"https","authority":"shop.example.com","path":"/x","tls":{"sni":"shop.example.com","alpn":["http/1.1"]}}`,
		"h2c://a/b":                           `{"protocol":"h2","method":"GET","scheme":"http","authority":"a","path":"/b"}`,
		"h2://a/b":                            `{"protocol":"h2","method":"GET","scheme":"https","authority":"a","path":"/b","tls":{"sni":"a","alpn":["h2"]}}`,
		"grpc://a:1/s/m":                      `{"protocol":"grpc","method":"POST","scheme":"http","authority":"a:1","path":"/s/m"}`,
		"grpcs://a/s/m":                       `{"protocol":"grpc","method":"POST","scheme":"https","authority":"a","path":"/s/m","tls":{"sni":"a","alpn":["h2"]}}`,
		"tcp://[::1]:80":                      `{"protocol":"tcp","authority":"[::1]:80"}`,
		"tls://db:3306":                       `{"protocol":"tcp","authority":"db:3306","tls":{"sni":"db"}}`,
	} {
		got, err := request.Parse(target)
		if err != nil {
			t.Errorf("%s: got error %v", target, err)
			continue
		}
		text, err := json.Marshal(got)
		if err != nil || string(text) != want {
			t.Errorf("%s: got %s, want %s", target, text, want)
		}
	}
	for target, want := range map[string]string{
		"gopher://x": `target with scheme "gopher": expected http, https,`, "http://": "expected a URL such as",
		"http://a b/": "expected a URL such as", "http://u:p@h/": "expected a URL such as",
	} {
		if _, err := request.Parse(target); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want one with %q", target, err, want)
		}
	}
}

func TestRead(t *testing.T) {
	const lines = "\ufeff" + `{"id": "a", "request": {"authority": "h", "headers": {"x": "1", "y": ["2", "3"]}, "random": 18446744073709551615}}` + "\r\n\n" +
		`{"proxy": "p", "direction": "inbound", "request": {"to": "[::ffff:10.0.0.1]:80", "from": "10.0.0.2", "protocol": "tcp"}, "observed": {"cluster": "c"}}`
	var got []request.Line
	var numbers []int
	err := request.Read(strings.NewReader(lines), "f", func(number int, line request.Line) error {
		got, numbers = append(got, line), append(numbers, number)
		return nil
	})
	if err != nil || len(got) != 2 || numbers[1] != 3 {
		t.Fatalf("got %d lines at %v, error %v; want two, the second at line 3", len(got), numbers, err)
	}
	if v := got[0].Request.Headers.Values("Y"); strings.Join(v, ",") != "2,3" || *got[0].Request.Random != 1<<64-1 {
		t.Errorf("got headers %v and random %v", got[0].Request.Headers, *got[0].Request.Random)
	}
	if to, err := got[1].Request.Destination(); err != nil || to.String() != "10.0.0.1:80" {
		t.Errorf("got the destination %v, error %v; want the IPv4 address", to, err)
	}
	if from, err := got[1].Request.Source(); err != nil || from.Addr().String() != "10.0.0.2" || from.Port() != 0 {
		t.Errorf("got the source %v, error %v", from, err)
	}
}

func TestReadErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{"request": {"verb": "GET"}}`:                 `f:1: reading a request: json: unknown field "verb"`,
		`{"request": {}} {}`:                           "expected one JSON object in a line",
		`{"request": {"protocol": "h3"}}`:              `protocol "h3": expected http/1.0`,
		`{"direction": "up", "request": {}}`:           `direction "up": expected outbound`,
		`{"request": {"to": "x"}}`:                     `destination "x": expected ip:port`,
		`{"request": {"from": "x"}}`:                   `source "x": expected an IP address`,
		`{"request": {"headers": {"a": 1}}}`:           `header "a": expected a string or a list of strings`,
		`{"request": {"headers": []}}`:                 "expected an object of names and values",
		`[]`:                                           "cannot unmarshal array",
		strings.Repeat(" ", 5<<20) + `{"request": {}}`: "expected at most 4194304 bytes in a line",
	} {
		err := request.Read(strings.NewReader(text), "f", func(int, request.Line) error { return nil })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

func TestHeaders(t *testing.T) {
	h := request.Headers{{Name: "A", Value: "1"}, {Name: "b", Value: "<2>"}, {Name: "a", Value: "3"}}
	if v, ok := h.Get("a"); !ok || v != "1,3" {
		t.Errorf("got %q, want both lines joined", v)
	}
	set := h.Set("a", "4")
	if v, _ := set.Get("A"); v != "4" || len(h.Values("a")) != 2 {
		t.Errorf("got %q after Set, and %v left of the first", v, h)
	}
	text, err := json.Marshal(h)
	if err != nil || string(text) != `{"A":["1","3"],"b":"\u003c2\u003e"}` {
		t.Errorf("got %s, error %v", text, err)
	}
	var back request.Headers
	if err := json.Unmarshal(text, &back); err != nil || len(back) != 3 || back.Has("c") {
		t.Errorf("got %v, error %v", back, err)
	}
}

func TestAppend(t *testing.T) {
	line := request.Line{ID: "a", Request: request.Request{Path: "/x?a=1&b=<2>"}}
	text, err := line.Append(nil)
	if want := `{"id":"a","request":{"path":"/x?a=1&b=<2>"}}` + "\n"; err != nil || string(text) != want {
		t.Errorf("got %s, error %v; want %s", text, err, want)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`{"id": "a", "request": {"to": "127.0.0.1:80", "headers": {"x": ["1"]}, "tls": {"alpn": ["h2"]}}, "observed": {"status": 200}}`)
	f.Fuzz(func(t *testing.T, text string) {
		_ = request.Read(strings.NewReader(text), "f", func(_ int, line request.Line) error {
			written, err := line.Append(nil)
			if err != nil {
				t.Fatalf("got a line that cannot be written: %v", err)
			}
			return request.Read(strings.NewReader(string(written)), "again", func(int, request.Line) error { return nil })
		})
	})
}
