package replay

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
)

// readme tells a person what the folder is and how to use it.
func readme(p *mesh.Proxy, f *Folder) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# %s, replayed\n\n", oneLine(p.Key()))
	fmt.Fprintf(&out, "The captured configuration on one machine; everything stays on %s. Start it with\n\n", f.Admin.Addr())
	fmt.Fprintf(&out, "    envoy -c %s\n\n", BootstrapPath)
	out.WriteString("in this folder, and the stubs that answer for all upstreams with\n\n")
	out.WriteString("    meshray replay PROXY -f CAPTURE --stubs\n\n")
	out.WriteString("or both with `meshray replay PROXY -f CAPTURE --run`. A stub answers with a JSON object: which\n")
	out.WriteString("endpoint it stands for, and the path, host and headers that reached it.\n\n")
	fmt.Fprintf(&out, "%s holds a line of JSON for each request and each connection; %s is the CA of all\n", AccessLogPath, "certs/ca.pem")
	out.WriteString("certificates, certs/client.pem a client's. Their keys are known to everybody: trust them nowhere else.\n")
	out.WriteString("\n## Listeners\n\n| listener | captured | here | |\n|---|---|---|---|\n")
	for _, l := range f.Listeners {
		fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", cell(l.Name), cell(l.Captured), l.Address, strings.Join(notes(l), ", "))
	}
	out.WriteString("\nA connection to a listener with PROXY protocol begins with a line that names the client and the original\n")
	out.WriteString("destination: `PROXY TCP4 10.0.0.9 10.96.0.1 40000 80`, then CR and LF.\n")
	out.WriteString("\n## What differs from the capture\n\n| what | why | places | first |\n|---|---|---|---|\n")
	for _, c := range f.Changes {
		fmt.Fprintf(&out, "| %s | %s | %d | %s |\n", cell(c.What), cell(c.Why), c.Count, cell(c.Where))
	}
	out.WriteString("\n## Stubs\n\n| stub | stands for | clusters | first |\n|---|---|---|---|\n")
	for _, b := range f.Backends {
		fmt.Fprintf(&out, "| %s | %s | %d | %s |\n", b.Address, cell(b.Name()), len(b.Clusters), cell(b.Clusters[0]))
	}
	return out.Bytes()
}

func notes(l Listener) []string {
	var out []string
	if l.ProxyProtocol {
		out = append(out, "PROXY protocol")
	}
	if l.TLS {
		out = append(out, "TLS")
	}
	return out
}

// cell makes a captured text harmless in a Markdown table.
func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;", "`", "'").Replace(oneLine(text))
}

func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
}
