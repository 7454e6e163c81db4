package live

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Rejection is something that Envoy refused.
type Rejection struct {
	// Name is "listener NAME", or the counter of refused updates for everything
	// else: Envoy's log, envoy.log in its folder, tells more.
	Name   string
	Reason string
}

// Rejections are the listeners that Envoy refused, in the order in which it tells
// them, and the counters of other refused updates.
func (e *Envoy) Rejections(ctx context.Context) ([]Rejection, error) {
	dump, err := e.Get(ctx, "/config_dump?resource=dynamic_listeners")
	if err != nil {
		return nil, err
	}
	listeners, err := refusedListeners(dump)
	if err != nil {
		return nil, err
	}
	stats, err := e.Get(ctx, "/stats?usedonly&filter=update_rejected$")
	if err != nil {
		return nil, err
	}
	return append(listeners, refusedUpdates(stats)...), nil
}

// refusedListeners reads error states. Envoy has a refused listener twice, with its
// name and without.
func refusedListeners(dump []byte) ([]Rejection, error) {
	var listeners struct {
		Configs []struct {
			Name       string `json:"name"`
			ErrorState struct {
				Details string `json:"details"`
			} `json:"error_state"`
		} `json:"configs"`
	}
	if err := json.Unmarshal(dump, &listeners); err != nil {
		return nil, fmt.Errorf("reading Envoy's config_dump: %w", err)
	}
	var out []Rejection
	for _, listener := range listeners.Configs {
		details := listener.ErrorState.Details
		known := slices.ContainsFunc(out, func(r Rejection) bool { return r.Reason == details })
		if details == "" || listener.Name == "" && known {
			continue
		}
		out = append(out, Rejection{Name: "listener " + listener.Name, Reason: details})
	}
	return out, nil
}

func refusedUpdates(stats []byte) []Rejection {
	var out []Rejection
	for lines := bufio.NewScanner(bytes.NewReader(stats)); lines.Scan(); {
		name, count, found := strings.Cut(lines.Text(), ": ")
		if !found || count == "0" || strings.HasPrefix(name, "listener_manager.") || strings.HasPrefix(name, "sds.") {
			continue // listeners are told by name; a secret that never came is a file without one
		}
		out = append(out, Rejection{Name: name, Reason: "counted " + count + "; envoy.log tells why"})
	}
	return out
}
