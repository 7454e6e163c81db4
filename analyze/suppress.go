package analyze

import (
	"cmp"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze/mesh"
)

// Suppression says which findings are known and accepted. Its fields narrow it;
// those that are empty fit everything. A text fits what equals it, or what it fits as a
// glob of package path, in which a star takes slashes, too.
type Suppression struct {
	// Rule is a name, a code, or a family such as "TLS*".
	Rule string
	// Namespace and Proxy are of the proxy with the finding; Proxy is its name
	// without the namespace.
	Namespace, Proxy string
	// Kind and Name are of the resource, Object the Istio object behind it as
	// "Kind namespace/name".
	Kind, Name, Object string
	// Fingerprint is that of one finding.
	Fingerprint string
	// Reason says why the finding is accepted; Until is the day from which on it is
	// not any more, zero for never.
	Reason string
	Until  time.Time
	// Place is where the suppression stands, "file:line".
	Place string
	// Shared is set where it serves other tools as well: that it accepts nothing here
	// is no reason to take it out.
	Shared bool
}

// Suppressed is a finding that a suppression accepts.
type Suppressed struct {
	Finding Finding
	By      Suppression
}

// Suppress takes the findings that the list accepts out of r.Findings and into
// r.Suppressed. Of a finding on several proxies only the accepted instances go. It
// notes in r which suppressions accepted nothing, and which have expired by asOf,
// the time of the capture; an expired one accepts nothing. What was not judged, as a
// rule that was not asked for or a namespace that was not selected, leaves its
// suppressions alone.
func (r *Result) Suppress(list []Suppression, asOf time.Time) {
	used := make([]bool, len(list))
	var left []Finding
	for _, f := range r.Findings {
		for i, s := range list {
			if s.expired(asOf) || !s.fits(&f) {
				continue
			}
			accepted, rest := f.split(func(in Location) bool { return s.fitsProxy(in.Ref.Proxy) })
			if accepted == nil {
				continue
			}
			used[i] = true
			r.Suppressed = append(r.Suppressed, Suppressed{Finding: *accepted, By: s})
			if rest == nil {
				f.Instances = nil
				break
			}
			f = *rest
		}
		if len(f.Instances) > 0 {
			left = append(left, f)
		}
	}
	r.Findings = left
	for i, s := range list {
		switch {
		case s.expired(asOf):
			r.Expired = append(r.Expired, s)
		case !used[i] && !s.Shared && r.judged(s.Rule):
			r.Unused = append(r.Unused, s)
		}
	}
}

// judged reports whether a rule that the pattern names judged the whole capture; all
// rules must have been asked for where it names none.
func (r *Result) judged(pattern string) bool {
	if r.narrowed || pattern == "" && r.someRules {
		return false
	}
	return slices.ContainsFunc(r.Rules, func(rule *Rule) bool {
		return (pattern == "" || rule.matches(pattern)) && !slices.ContainsFunc(r.Skipped, func(s Skip) bool { return s.Rule == rule.Name })
	})
}

func (s *Suppression) expired(asOf time.Time) bool {
	return !s.Until.IsZero() && !asOf.IsZero() && !asOf.Before(s.Until)
}

// fits reports whether all but the proxy fits.
func (s *Suppression) fits(f *Finding) bool {
	rule := Rule{Name: f.Rule, Code: f.Code}
	return (s.Rule == "" || rule.matches(s.Rule)) &&
		(s.Fingerprint == "" || s.Fingerprint == f.Fingerprint) &&
		globs(s.Kind, string(f.Ref.Kind)) && globs(s.Name, f.Ref.Name) && globs(s.Object, f.Object)
}

func (s *Suppression) fitsProxy(key string) bool {
	key, _, _ = strings.Cut(key, " (") // the label of one of several dumps
	name, namespace := key, ""
	if dot := strings.LastIndexByte(key, '.'); dot >= 0 {
		name, namespace = key[:dot], key[dot+1:]
	}
	return globs(s.Proxy, name) && globs(s.Namespace, namespace)
}

// globs reports whether a glob fits; an empty one does. Names are full of slashes and,
// with IPv6 addresses, brackets.
func globs(pattern, text string) bool {
	if pattern == "" || pattern == text {
		return true
	}
	fits, err := path.Match(strings.ReplaceAll(pattern, "/", "\x00"), strings.ReplaceAll(text, "/", "\x00"))
	return err == nil && fits
}

// suppressAnnotation is Istio's own annotation: a list of codes, or "*".
const suppressAnnotation = "galley.istio.io/analyze-suppress"

// Annotated returns the suppressions that the objects of a capture carry as
// annotations: of findings behind which the object is.
func Annotated(c *mesh.Capture) []Suppression {
	var out []Suppression
	for _, doc := range c.Objects {
		objects, err := doc.Get()
		if err != nil {
			continue
		}
		for _, o := range objects {
			metadata, _ := o.Fields["metadata"].(map[string]any)
			annotations, _ := metadata["annotations"].(map[string]any)
			list, _ := annotations[suppressAnnotation].(string)
			for code := range strings.SplitSeq(list, ",") {
				code = strings.TrimSpace(code)
				if code == "" {
					continue
				}
				s := Suppression{Rule: code, Object: o.Kind + " " + cmp.Or(o.Namespace, "default") + "/" + o.Name, Reason: "annotation " + suppressAnnotation, Shared: true}
				if code == "*" {
					s.Rule = ""
				}
				s.Place = mesh.Source{File: doc.Source.File, Line: o.Line}.String()
				out = append(out, s)
			}
		}
	}
	return out
}
