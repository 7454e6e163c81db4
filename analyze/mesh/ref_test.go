package mesh

import "testing"

func TestRefString(t *testing.T) {
	tests := []struct {
		ref  Ref
		want string
	}{
		{Ref{}, ""},
		{Ref{Proxy: "a.ns"}, "a.ns"},
		{Ref{Proxy: "a.ns", Kind: Listener}, "a.ns/listener"},
		{Ref{Proxy: "a.ns", Kind: Cluster, Name: "outbound|80||b"}, "a.ns/cluster/outbound|80||b"},
		{Ref{Proxy: "a.ns", Kind: Route, Name: "80", Path: "b:80"}, "a.ns/route/80#b:80"},
	}
	for _, test := range tests {
		if got := test.ref.String(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestRefCompare(t *testing.T) {
	ordered := []Ref{
		{},
		{Proxy: "a.ns"},
		{Proxy: "a.ns", Kind: Cluster, Name: "x"},
		{Proxy: "a.ns", Kind: Cluster, Name: "x", Path: "p"},
		{Proxy: "a.ns", Kind: Listener, Name: "a"},
		{Proxy: "b.ns"},
	}
	for i, a := range ordered {
		for j, b := range ordered {
			if got, want := a.Compare(b), sign(i-j); got != want {
				t.Errorf("%q compared with %q: got %d, want %d", a, b, got, want)
			}
		}
	}
}

func sign(n int) int { return min(max(n, -1), 1) }
