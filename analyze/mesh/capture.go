// Package mesh holds the nouns of a capture: what was saved from a mesh, the
// proxies and control planes in it, and the xDS resources that they have.
//
// Values are made by the loader and never changed after it. What is costly to
// decode is decoded when it is first asked for, once, and shared between all
// proxies that have the same content.
package mesh

import (
	"fmt"
	"slices"
	"time"
)

// Capture is everything that was opened together: one file, a folder, a
// bug-report archive, or several of them.
type Capture struct {
	// Inputs are all files of the capture in the order in which they were met.
	// Every file is here, whatever became of it.
	Inputs []*Input
	// Proxies are sorted by Key.
	Proxies []*Proxy
	// ControlPlanes are the istiods, sorted by Key.
	ControlPlanes []*ControlPlane
	// Objects are the files with Kubernetes objects and Istio's custom resources.
	Objects []*Doc[[]Object]
	// Problems are what was damaged or doubtful, in the order of Inputs.
	Problems []Problem
	// AsOf is the newest moment that the capture itself knows of; zero when it
	// knows none. Ages are counted from here, never from the clock.
	AsOf time.Time
}

// Namespaces are those of the proxies, of the control planes and of the pods that these
// list, sorted.
func (c *Capture) Namespaces() []string {
	var out []string
	for _, p := range c.Proxies {
		out = append(out, p.Namespace)
	}
	for _, cp := range c.ControlPlanes {
		out = append(out, cp.Namespace)
		statuses, _ := cp.Sync.Get()
		for _, s := range statuses {
			_, namespace, _ := cutLast(s.Proxy, ".")
			out = append(out, namespace)
		}
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(namespace string) bool { return namespace == "" })
}

// Input is one file of the capture and what became of it.
type Input struct {
	// Path is the name within the capture, with slashes. A member of an archive
	// in an archive is named "outer.tar.gz!/inner".
	Path string
	// Capture is what the file came out of: the path that was opened, or an archive in
	// the folder that was opened.
	Capture string
	// Kind is what the content was found to be.
	Kind FileKind
	Fate Fate
	// Reason says why a file was ignored, what is damaged, or why its content is
	// not known. Empty for a file that was read whole.
	Reason string
	// Instead is the path of the file that was taken for this one, where one of a kind
	// counts: /clusters as text and as JSON.
	Instead string
	// Size is the number of bytes that were read.
	Size int64
	// Owner is the Key of the proxy or control plane that the file tells of.
	Owner string
}

// Fate is what became of an input file.
type Fate string

const (
	// FateRead is a file that was understood as a whole.
	FateRead Fate = "read"
	// FateIgnored is a file that is known and of no use here, or that must not
	// be read: a symbolic link, a device.
	FateIgnored Fate = "ignored"
	// FateDamaged is a file of which a part could not be read; the rest was used. One
	// that lies behind a limit or must not be opened is lost as a whole.
	FateDamaged Fate = "damaged"
	// FateUnknown is a file whose content nobody here understands.
	FateUnknown Fate = "unknown"
)

// FileKind is what a file of a capture holds, named as its source names it.
type FileKind string

// The kinds of file that are told apart.
const (
	KindConfigDump     FileKind = "config_dump"
	KindPilotDump      FileKind = "istiod config_dump"
	KindResources      FileKind = "proxy-config JSON"
	KindBootstrap      FileKind = "bootstrap"
	KindClusters       FileKind = "clusters"
	KindListeners      FileKind = "listeners"
	KindCerts          FileKind = "certs"
	KindServerInfo     FileKind = "server_info"
	KindStats          FileKind = "stats"
	KindRuntime        FileKind = "runtime"
	KindMemory         FileKind = "memory"
	KindInitDump       FileKind = "init_dump"
	KindZtunnel        FileKind = "ztunnel config_dump"
	KindDebug          FileKind = "istiod debug"
	KindClientConfig   FileKind = "xDS ClientConfig"
	KindIstiodMetrics  FileKind = "istiod metrics"
	KindKubernetes     FileKind = "kubernetes objects"
	KindLog            FileKind = "log"
	KindAccessLog      FileKind = "access log"
	KindNetstat        FileKind = "netstat"
	KindVersions       FileKind = "versions"
	KindKubectlText    FileKind = "kubectl text"
	KindAnalysis       FileKind = "istioctl analyze"
	KindCertificate    FileKind = "PEM"
	KindRequests       FileKind = "requests"
	KindText           FileKind = "text"
	KindEmpty          FileKind = "empty"
	KindUnknown        FileKind = "unknown"
	KindNotRegularFile FileKind = "not a file"
)

// Problem is damage or doubt: something of the capture that could not be used,
// or not as it stands.
type Problem struct {
	Source Source
	// Message says what is wrong, what was saved, and what to do.
	Message string
}

func (p Problem) String() string { return fmt.Sprintf("%s: %s", p.Source, p.Message) }

// Source is where in a capture something was found.
type Source struct {
	// File is the [Input] path.
	File string
	// Line counts from 1; 0 where the file is not text or the line is not known.
	Line int
	// Offset counts bytes from the start of the file.
	Offset int
	// pointer is a JSON pointer (RFC 6901) in two halves around an index, put
	// together on demand: a dump has tens of thousands of them.
	base, tail string
	index      int // counted from 1; 0 where there is none
}

// NewSource returns the place of element index of the JSON array at pointer
// base, then tail. With a negative index the place is base itself.
func NewSource(file string, line, offset int, base string, index int, tail string) Source {
	return Source{File: file, Line: line, Offset: offset, base: base, index: max(index, -1) + 1, tail: tail}
}

// Pointer is the JSON pointer (RFC 6901) of the place; "" for a whole file.
func (s Source) Pointer() string {
	if s.index == 0 {
		return s.base + s.tail
	}
	return fmt.Sprintf("%s/%d%s", s.base, s.index-1, s.tail)
}

// String is "file:line", as editors open it.
func (s Source) String() string {
	if s.Line == 0 {
		return s.File
	}
	return fmt.Sprintf("%s:%d", s.File, s.Line)
}
