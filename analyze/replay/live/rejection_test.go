package live

import (
	"slices"
	"testing"
)

func TestRefusedListeners(t *testing.T) {
	got, err := refusedListeners([]byte(`{"configs": [
		{"name": "good", "active_state": {}},
		{"name": "bad", "error_state": {"details": "unknown cluster"}},
		{"error_state": {"details": "unknown cluster"}},
		{"error_state": {"details": "no name at all"}}]}`))
	want := []Rejection{{"listener bad", "unknown cluster"}, {"listener ", "no name at all"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, error %v; want %v", got, err, want)
	}
}

func TestRefusedUpdates(t *testing.T) {
	got := refusedUpdates([]byte("cluster_manager.cds.update_rejected: 1\nhttp.a.rds.b.update_rejected: 0\nlistener_manager.lds.update_rejected: 1\nsds.x.update_rejected: 1\n"))
	want := []Rejection{{"cluster_manager.cds.update_rejected", "counted 1; envoy.log tells why"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
