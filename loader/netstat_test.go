package loader

import (
	"fmt"
	"testing"
)

func TestParseNetstat(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"tcp        0      0 127.0.0.1:15000   0.0.0.0:*   LISTEN      13/envoy", "[{127.0.0.1:15000 LISTEN}]"},
		{"tcp6       0      0 :::8080           :::*        LISTEN      -", "[{[::]:8080 LISTEN}]"},
		{"tcp6       0      0 ::1:8080          :::*        LISTEN      -", "[{[::1]:8080 LISTEN}]"},
		{"tcp        0      0 10.1.0.1:36650    10.1.0.2:80 ESTABLISHED -", "[{10.1.0.1:36650 ESTABLISHED}]"},
		{"udp        0      0 0.0.0.0:53        0.0.0.0:*", "[]"},
		{"tcp        0      0 nowhere           0.0.0.0:*   LISTEN      -", "[]"},
		{"tcp        0      0 1.2.3.4:99999     0.0.0.0:*   LISTEN      -", "[]"},
	} {
		got, err := parseNetstat([]byte("Active Internet connections (servers and established)\n" + test.line + "\n"))
		if fmt.Sprint(got) != test.want {
			t.Errorf("%q: got %v, want %s", test.line, got, test.want)
		}
		if (err == nil) != (len(got) > 0) {
			t.Errorf("%q: got error %v with %d sockets", test.line, err, len(got))
		}
	}
}

func FuzzParseNetstat(f *testing.F) {
	f.Add([]byte("Active Internet connections\ntcp6 0 0 :::8080 :::* LISTEN -\n"))
	f.Add([]byte("tcp 0 0 [::1]:80 0.0.0.0:* LISTEN"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		sockets, err := parseNetstat(raw)
		if (err == nil) != (len(sockets) > 0) {
			t.Errorf("got error %v with %d sockets", err, len(sockets))
		}
		for _, s := range sockets {
			if !s.Local.IsValid() || s.State == "" {
				t.Errorf("got socket %v, want an address and a state", s)
			}
		}
	})
}
