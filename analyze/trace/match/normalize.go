package match

import (
	"strconv"
	"strings"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
)

// HostOptions are what an HTTP connection manager does to :authority.
type HostOptions struct {
	StripTrailingDot  bool // strip_trailing_host_dot
	StripMatchingPort bool // strip_matching_host_port: a port that is ListenerPort
	StripAnyPort      bool // strip_any_host_port
	ListenerPort      uint16
}

// HostOptionsOf reads the options of a connection manager on a listener's port.
func HostOptionsOf(hcm *hcmv3.HttpConnectionManager, listenerPort uint16) HostOptions {
	return HostOptions{
		StripTrailingDot:  hcm.GetStripTrailingHostDot(),
		StripMatchingPort: hcm.GetStripMatchingHostPort(),
		StripAnyPort:      hcm.GetStripAnyHostPort(),
		ListenerPort:      listenerPort,
	}
}

// Host is an :authority as the connection manager leaves it and sends it on. Its
// case stays: Envoy folds it only to compare it with domains.
func Host(authority string, o HostOptions) string {
	if o.StripTrailingDot {
		authority = stripTrailingDot(authority)
	}
	if !o.StripAnyPort && !o.StripMatchingPort {
		return authority
	}
	host, port, ok := cutPort(authority)
	if !ok {
		return authority
	}
	n, err := strconv.ParseUint(port, 10, 32)
	if err != nil || !o.StripAnyPort && n != uint64(o.ListenerPort) {
		return authority
	}
	return host
}

// WithoutPort is an :authority without its port, as the domains of virtual hosts are
// compared with where the route configuration says ignore_port_in_host_matching.
func WithoutPort(authority string) string {
	host, _, _ := cutPort(authority)
	return host
}

// cutPort splits an authority at the colon before its port. The colons of an IPv6
// literal, which stands in brackets, separate none.
func cutPort(authority string) (host, port string, ok bool) {
	colon := strings.LastIndexByte(authority, ':')
	if colon < 0 || strings.LastIndexByte(authority, ']') > colon {
		return authority, "", false
	}
	return authority[:colon], authority[colon+1:], true
}

func stripTrailingDot(host string) string {
	dot := strings.LastIndexByte(host, '.')
	switch {
	case dot < 0:
		return host
	case dot == len(host)-1:
		return host[:dot]
	case host[dot+1] == ':':
		return host[:dot] + host[dot+1:]
	}
	return host
}

// PathAction is what the connection manager does with a request after its path
// was normalised.
type PathAction int8

const (
	PathForward PathAction = iota
	// PathReject answers 400, path_normalization_failed.
	PathReject
	// PathRedirect answers 307 with the normalised path as its location.
	PathRedirect
)

// PathOptions are what an HTTP connection manager does to :path.
type PathOptions struct {
	EscapedSlashes hcmv3.HttpConnectionManager_PathWithEscapedSlashesAction
	Normalize      bool // normalize_path
	MergeSlashes   bool
}

// PathOptionsOf reads the options of a connection manager. Unset normalize_path
// is false, as in an Envoy whose runtime does not say otherwise.
func PathOptionsOf(hcm *hcmv3.HttpConnectionManager) PathOptions {
	return PathOptions{
		EscapedSlashes: hcm.GetPathWithEscapedSlashesAction(),
		Normalize:      hcm.GetNormalizePath().GetValue(),
		MergeSlashes:   hcm.GetMergeSlashes(),
	}
}

// Path is a :path, with its query, as the connection manager leaves it, and what
// becomes of the request. A path with a fragment is rejected; a rejected path is
// returned as it was.
func Path(path string, o PathOptions) (string, PathAction) {
	if strings.Contains(path, "#") {
		return path, PathReject
	}
	original, action := path, PathForward
	if unescaped := unescapeSlashes(path, o.EscapedSlashes); unescaped != path {
		switch o.EscapedSlashes {
		case hcmv3.HttpConnectionManager_REJECT_REQUEST:
			return original, PathReject
		case hcmv3.HttpConnectionManager_UNESCAPE_AND_REDIRECT:
			action = PathRedirect
		}
		path = unescaped
	}
	if o.Normalize {
		normalized, ok := canonicalPath(path)
		if !ok {
			return original, PathReject
		}
		path = normalized
	}
	if o.MergeSlashes {
		path = mergeSlashes(path)
	}
	return path, action
}

func unescapeSlashes(path string, action hcmv3.HttpConnectionManager_PathWithEscapedSlashesAction) string {
	switch action {
	case hcmv3.HttpConnectionManager_IMPLEMENTATION_SPECIFIC_DEFAULT, hcmv3.HttpConnectionManager_KEEP_UNCHANGED:
		return path
	}
	path, query := cutQuery(path)
	if !strings.Contains(path, "%") {
		return path + query
	}
	return strings.NewReplacer("%2f", "/", "%2F", "/", "%5c", `\`, "%5C", `\`).Replace(path) + query
}

// mergeSlashes makes one of several slashes in a row. A path of slashes only
// becomes two: Envoy keeps the first and the last.
func mergeSlashes(path string) string {
	path, query := cutQuery(path)
	if !strings.Contains(path, "//") {
		return path + query
	}
	out := make([]byte, 0, len(path)+len(query)+1)
	if path[0] == '/' {
		out = append(out, '/')
	}
	first := true
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" {
			continue
		}
		if !first {
			out = append(out, '/')
		}
		out, first = append(out, segment...), false
	}
	if path[len(path)-1] == '/' {
		out = append(out, '/')
	}
	return string(append(out, query...))
}

// cutQuery splits a :path before its question mark.
func cutQuery(path string) (bare, query string) {
	if i := strings.IndexByte(path, '?'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}
