package loader

import (
	"bytes"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
)

// noSocket ends the line of an internal listener that was printed without an address.
const noSocket = ":::0"

// parseListeners reads the text form of Envoy's /listeners, one "name::address"
// per line and address, into what /listeners?format=json gives. The second and
// later addresses of a listener are its additional ones.
func parseListeners(raw []byte) (*adminv3.Listeners, error) {
	listeners := &adminv3.Listeners{}
	byName := map[string]*adminv3.ListenerStatus{}
	var lost lostLines
	number := 0
	for line := range bytes.Lines(raw) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		name, address, ok := cutAddress(line)
		if !ok {
			name, ok = bytes.CutSuffix(line, []byte(noSocket))
		}
		if !ok || len(name) == 0 {
			lost.add(number, line)
			continue
		}
		status := byName[string(name)]
		if status == nil {
			status = &adminv3.ListenerStatus{Name: validText(name)}
			byName[string(name)] = status
			listeners.ListenerStatuses = append(listeners.ListenerStatuses, status)
		}
		addListenerAddress(status, address)
	}
	return listeners, lost.err(`"listener::address"`)
}

func addListenerAddress(status *adminv3.ListenerStatus, address *corev3.Address) {
	switch {
	case address == nil:
	case status.LocalAddress == nil:
		status.LocalAddress = address
	default:
		status.AdditionalLocalAddresses = append(status.AdditionalLocalAddresses, address)
	}
}
