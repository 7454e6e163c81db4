package loader

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
)

// parseNetstat reads the TCP sockets of `netstat -an`:
//
//	tcp6  0  0 :::8080  :::*  LISTEN  -
func parseNetstat(raw []byte) ([]mesh.Socket, error) {
	var sockets []mesh.Socket
	for line := range bytes.Lines(raw) {
		fields := strings.Fields(string(line))
		if len(fields) < 6 || !strings.HasPrefix(fields[0], "tcp") {
			continue
		}
		if local, ok := socketAddress(fields[3]); ok {
			sockets = append(sockets, mesh.Socket{Local: local, State: fields[5]})
		}
	}
	if len(sockets) == 0 {
		return nil, errors.New(`reading netstat: no TCP socket found, expected lines like "tcp 0 0 0.0.0.0:15001 0.0.0.0:* LISTEN"`)
	}
	return sockets, nil
}

// socketAddress reads "127.0.0.1:80" and ":::80", IPv6 without brackets.
func socketAddress(text string) (netip.AddrPort, bool) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return netip.AddrPort{}, false
	}
	address, err := netip.ParseAddrPort("[" + strings.Trim(text[:i], "[]") + "]:" + text[i+1:])
	if err != nil {
		address, err = netip.ParseAddrPort(text)
	}
	return address, err == nil
}
