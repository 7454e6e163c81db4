package mesh

import (
	"errors"
	"fmt"
)

// Misread reads what admin and debug endpoints answered, which is parsed when it is first asked
// for, and returns the files of which something could not be read. It stops at most bytes, because a mesh
// of a thousand proxies has gigabytes of them; 0 is no bound.
func (c *Capture) Misread(most int) []Problem {
	r := misreader{most: most}
	for _, p := range c.Proxies {
		misread(&r, p.ClusterStatus)
		misread(&r, p.ListenerStatus)
		misread(&r, p.Certificates)
		misread(&r, p.ServerInfo)
		misread(&r, p.InitDump)
		misread(&r, p.ZtunnelDump)
	}
	for _, cp := range c.ControlPlanes {
		misread(&r, cp.Sync)
		misread(&r, cp.Connections)
	}
	return r.problems
}

type misreader struct {
	most, read int
	problems   []Problem
}

func misread[T any](r *misreader, doc *Doc[T]) {
	if doc == nil || r.most > 0 && r.read+len(doc.Raw) > r.most {
		return
	}
	r.read += len(doc.Raw)
	if _, err := doc.Get(); err != nil && !errors.Is(err, ErrNotCaptured) {
		r.problems = append(r.problems, Problem{Source: Source{File: doc.Source.File}, Message: fmt.Sprintf("not all of it could be read: %v", err)})
	}
}
