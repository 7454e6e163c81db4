package live

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAccessLogFind(t *testing.T) {
	one := ends{client: "127.0.0.1:40000", local: "10.0.0.1:80"}
	other := ends{client: "127.0.0.1:40000", local: "10.0.0.2:80"}
	const (
		request  = `{"kind":"http","id":"7","client":"127.0.0.1:40000","local":"10.0.0.1:80","cluster":"a","flags":"-"}` + "\n"
		carried  = `{"kind":"tcp","id":null,"client":"127.0.0.1:40000","local":"10.0.0.1:80","cluster":"b","flags":"-"}` + "\n"
		accepted = `{"kind":"listener","id":null,"client":"127.0.0.1:40000","local":"10.0.0.1:80","cluster":null,"flags":"NR"}` + "\n"
	)
	tests := []struct {
		name   string
		chunks []string // what each read finds
		ends   ends
		want   entry
		found  bool
	}{
		{"request", []string{request}, one, entry{Kind: "http", Cluster: "a"}, true},
		{"request in two pieces", []string{request[:30], request[30:]}, one, entry{Kind: "http", Cluster: "a"}, true},
		{"request and connection", []string{accepted + request}, one, entry{Kind: "http", Cluster: "a"}, true},
		{"connection before the proxy's entry", []string{accepted + carried}, one, entry{Kind: "tcp", Cluster: "b"}, true},
		{"proxy's entry while the connection is open", []string{carried}, one, entry{}, false},
		{"connection alone, just now", []string{accepted}, one, entry{}, false},
		{"connection alone, settled", []string{accepted, "", "", "", ""}, one, entry{Kind: "listener", Flags: "NR"}, true},
		{"another connection of the port", []string{accepted, "", "", "", ""}, other, entry{}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "access.log")
			log := newAccessLog(path)
			written := ""
			for _, chunk := range test.chunks {
				written += chunk
				if err := os.WriteFile(path, []byte(written), 0o644); err != nil {
					t.Fatal(err)
				}
				if _, err := log.read(); err != nil {
					t.Fatal(err)
				}
			}
			got, found := log.find(&exchange{id: "7", ends: test.ends})
			if found != test.found || got.Kind != test.want.Kind || got.Cluster != test.want.Cluster || got.Flags != test.want.Flags {
				t.Errorf("got %+v, %v; want %+v, %v", got, found, test.want, test.found)
			}
		})
	}
}

// A connection's entry that comes after its request was found is not taken for the
// next connection with the same ends.
func TestAccessLogReusedPort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	log := newAccessLog(path)
	both := ends{client: "127.0.0.1:40000", local: "10.0.0.1:80"}
	lines := []string{
		`{"kind":"http","id":"1","client":"127.0.0.1:40000","local":"10.0.0.1:80"}` + "\n",
		`{"kind":"listener","client":"127.0.0.1:40000","local":"10.0.0.1:80","filter_chain":"first"}` + "\n",
	}
	written := ""
	for i, line := range lines {
		written += line
		if err := os.WriteFile(path, []byte(written), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := log.read(); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if _, found := log.find(&exchange{id: "1", ends: both}); !found {
				t.Fatal("the request's entry was not found")
			}
		}
	}
	for range settled {
		if _, err := log.read(); err != nil {
			t.Fatal(err)
		}
	}
	if got, found := log.find(&exchange{id: "2", ends: both}); found {
		t.Errorf("got %+v of the connection before, want nothing", got)
	}
}
