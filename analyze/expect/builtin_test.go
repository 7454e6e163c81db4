package expect_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/expect"
)

// One line of each built-in format.
var lines = map[string]string{
	"Istio 1.9 and later": `[2024-03-05T10:20:30.123Z] "GET / HTTP/1.1" 200 - via_upstream - "-" 0 4 2 1 "-" "curl" "id" "a.b:80" "10.0.0.1:80" outbound|80||a.b 10.0.0.2:1 10.0.0.3:80 10.0.0.2:2 - default`,
	"Istio 1.8":           `[2024-03-05T10:20:30.123Z] "GET / HTTP/1.1" 200 - "-" 0 4 2 1 "-" "curl" "id" "a.b:80" "10.0.0.1:80" outbound|80||a.b 10.0.0.2:1 10.0.0.3:80 10.0.0.2:2 - default`,
	"Istio 1.3 to 1.7":    `[2024-03-05T10:20:30.123Z] "GET / HTTP/1.1" 200 - "-" "-" 0 4 2 1 "-" "curl" "id" "a.b:80" "10.0.0.1:80" outbound|80||a.b 10.0.0.2:1 10.0.0.3:80 10.0.0.2:2 - default`,
	"Istio 1.2":           `[2024-03-05T10:20:30.123Z] "GET / HTTP/1.1" 200 - "-" "-" 0 4 2 1 "-" "curl" "id" "a.b:80" "10.0.0.1:80" outbound|80||a.b 10.0.0.2:1 10.0.0.3:80 10.0.0.2:2 -`,
	"Istio 1.1":           `[2024-03-05T10:20:30.123Z] "GET / HTTP/1.1" 200 - "-" 0 4 2 1 "-" "curl" "id" "a.b:80" "10.0.0.1:80" outbound|80||a.b 10.0.0.2:1 10.0.0.3:80 10.0.0.2:2 -`,
	"Envoy's default":     `[2024-03-05T10:20:30.123Z] "GET / HTTP/1.1" 200 - 0 4 2 1 "-" "curl" "id" "a.b:80" "10.0.0.1:80"`,
	"JSON by its keys":    `{"method":"GET","path":"/","protocol":"HTTP/1.1","response_code":200,"response_flags":"-","authority":"a.b"}`,
}

func TestBuiltin(t *testing.T) {
	formats := expect.Builtin()
	if len(formats) != len(lines) {
		t.Fatalf("got %d built-in formats; want %d", len(formats), len(lines))
	}
	for name, line := range lines {
		first := slices.IndexFunc(formats, func(f *expect.Format) bool {
			_, err := f.Parse(line)
			return !errors.Is(err, expect.ErrNotThisFormat)
		})
		if first < 0 || formats[first].Name != name {
			t.Errorf("got format %d of %s as the first to read its line; want its own", first, name)
			continue
		}
		got, err := formats[first].Parse(line)
		if err != nil || got.Observed.Status != 200 || got.Request.Path != "/" || got.Request.Authority == "" {
			t.Errorf("%s: got %+v, error %v; want the request", name, got, err)
		}
	}
}

func TestParseReadsTheWholeLine(t *testing.T) {
	format, err := expect.CompileFormat(`%PROTOCOL% %RESPONSE_CODE% "%REQ(:PATH)%"`)
	if err != nil {
		t.Fatalf("compiling: %v", err)
	}
	for _, line := range []string{`HTTP/1.1 200 "/" more`, `HTTP/1.1 200 "/`, `x HTTP/1.1 200 "/"`, ""} {
		if got, err := format.Parse(line); !errors.Is(err, expect.ErrNotThisFormat) {
			t.Errorf("%q: got %+v, error %v; want %v", line, got, err, expect.ErrNotThisFormat)
		}
	}
}

func TestDetect(t *testing.T) {
	foreign := `[2024-03-05T10:20:30.123Z] "GET / HTTP/1.1" of a format of one's own`
	tests := []struct {
		name       string
		lines      []string
		want       string
		confidence float64
	}{
		{"one format", []string{"", "2024-03-05T10:20:30.123Z\tinfo\tready", lines["Istio 1.8"], lines["Istio 1.8"]}, "Istio 1.8", 1},
		{"mixed", []string{lines["Istio 1.1"], lines["Envoy's default"], lines["Envoy's default"], foreign}, "Envoy's default", 0.5},
		{"foreign", []string{foreign}, "", 0},
		{"empty", nil, "", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			format, confidence := expect.Detect(test.lines)
			name := ""
			if format != nil {
				name = format.Name
			}
			if name != test.want || confidence != test.confidence {
				t.Errorf("got %q with %v; want %q with %v", name, confidence, test.want, test.confidence)
			}
		})
	}
}

func TestReadLog(t *testing.T) {
	log := strings.Join([]string{
		"2024-03-05T10:20:30.123Z\tinfo\tEnvoy proxy is ready",
		lines["Istio 1.8"],
		`[2024-03-05T10:20:30.123Z] "- - HTTP/1.1" 400 DPE "-" 0 4 2 - "-" "-" "-" "-" "-" - - 10.0.0.3:80 10.0.0.2:2 - -`,
		`[2024-03-05T10:20:30.123Z] "GET / HTTP/1.1" cut off`,
		strings.Repeat("x", 2<<20),
		lines["JSON by its keys"],
	}, "\n")
	var numbers []int
	got, err := expect.ReadLog(strings.NewReader(log), nil, func(e expect.Entry) error {
		numbers = append(numbers, e.Number)
		return nil
	})
	want := expect.Summary{Requests: 2, WithoutRequest: 1, Other: 1, Unread: 2, FirstUnread: 4}
	if err != nil || got != want {
		t.Errorf("got %+v, error %v; want %+v", got, err, want)
	}
	if len(numbers) != 2 || numbers[0] != 2 || numbers[1] != 6 {
		t.Errorf("got requests in lines %v; want 2 and 6", numbers)
	}
	stop := errors.New("stop")
	if _, err := expect.ReadLog(strings.NewReader(log), nil, func(expect.Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got error %v; want that of each", err)
	}
}

// A line that fits in a great many ways until its very end is still read once.
func TestParseHasNoBlowUp(t *testing.T) {
	format, err := expect.CompileFormat(strings.Repeat(`%REQ(X-A)% `, 100) + "%RESPONSE_CODE% end")
	if err != nil {
		t.Fatalf("compiling: %v", err)
	}
	line := strings.Repeat("a ", 400_000) + "x"
	if _, err := format.Parse(line); !errors.Is(err, expect.ErrNotThisFormat) {
		t.Errorf("got error %v; want %v", err, expect.ErrNotThisFormat)
	}
}

func TestCompileFormatErrors(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"nothing", "", "expected command operators"},
		{"no operator", "hello", "expected command operators"},
		{"open", "%REQ(:PATH", "expected )% behind the argument of %REQ("},
		{"not closed", "%PROTOCOL", "expected a percent sign that ends %PROTOCOL"},
		{"percent", "100% of", "a percent sign is written %%"},
		{"length", "%REQ(A):%", "expected a length behind the colon of %REQ:"},
		{"length without argument", "%PROTOCOL:%", "expected a length behind the colon of %PROTOCOL:"},
		{"lines", "%PROTOCOL%\n%DURATION%", "one line for each request"},
		{"many", strings.Repeat("%PROTOCOL% ", 300), "at most 256 command operators"},
		{"long", strings.Repeat("x", 70_000), "at most 65536 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := expect.CompileFormat(test.text)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v; want one with %q", err, test.want)
			}
		})
	}
}
