package report

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// TestStructure holds every page to the rules of its markup: nothing but our
// own elements, no active content besides the one style and the one script,
// ids that are unique, links that stay within the page and lead somewhere.
func TestStructure(t *testing.T) {
	for name, d := range documents(t) {
		t.Run(name, func(t *testing.T) {
			root, err := html.Parse(strings.NewReader(htmlOf(t, d, 0)))
			if err != nil {
				t.Fatal(err)
			}
			p := structure{t: t, count: map[string]int{}, ids: map[string]bool{}}
			for n := range root.Descendants() {
				if n.Type == html.ElementNode {
					p.element(n)
				}
			}
			p.finish()
		})
	}
}

type structure struct {
	t       *testing.T
	count   map[string]int
	ids     map[string]bool
	targets []string
	heading int
}

func attribute(n *html.Node, name string) (string, bool) {
	i := slices.IndexFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
	if i < 0 {
		return "", false
	}
	return n.Attr[i].Val, true
}

func (p *structure) element(n *html.Node) {
	p.count[n.Data]++
	for _, a := range n.Attr {
		switch {
		case strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src" || a.Key == "action":
			p.t.Errorf("got <%s %s=%q>, want no active content", n.Data, a.Key, a.Val)
		case a.Key == "id" && p.ids[a.Val]:
			p.t.Errorf("got the id %q twice", a.Val)
		case a.Key == "id":
			p.ids[a.Val] = true
		case a.Key == "href" && n.Data == "a", a.Key == "aria-labelledby", a.Key == "for":
			p.targets = append(p.targets, strings.TrimPrefix(a.Val, "#"))
		}
		if a.Key == "href" && !strings.HasPrefix(a.Val, "#") && a.Val != "data:," {
			p.t.Errorf("got a link to %q, want links within the page only", a.Val)
		}
	}
	p.semantics(n)
}

func (p *structure) semantics(n *html.Node) {
	known := "html head meta title link style script body header footer main nav section article a p h1 h2 h3 ul ol li dl div dt dd " +
		"table caption thead tbody tr th td details summary form label input fieldset legend button output strong span code pre time br"
	switch {
	case !slices.Contains(strings.Fields(known), n.Data):
		p.t.Errorf("got <%s>, want our own elements only", n.Data)
	case len(n.Data) == 2 && n.Data[0] == 'h' && n.Data[1] >= '1' && n.Data[1] <= '6':
		level := int(n.Data[1] - '0')
		if level > p.heading+1 {
			p.t.Errorf("got <h%d> behind <h%d>, want no level left out", level, p.heading)
		}
		p.heading = level
	case n.Data == "th":
		if scope, _ := attribute(n, "scope"); scope != "col" && scope != "row" {
			p.t.Errorf("got <th scope=%q>, want col or row", scope)
		}
	case n.Data == "table":
		if n.FirstChild == nil || !slices.ContainsFunc(slices.Collect(n.ChildNodes()), func(c *html.Node) bool { return c.Data == "caption" }) {
			p.t.Error("got a table without a caption")
		}
	case n.Data == "section":
		if _, labelled := attribute(n, "aria-labelledby"); !labelled {
			p.t.Error("got a section without a label")
		}
	case n.Data == "html":
		if lang, _ := attribute(n, "lang"); lang != "en" {
			p.t.Errorf("got the language %q, want en", lang)
		}
	}
}

func (p *structure) finish() {
	for _, name := range []string{"h1", "main", "header", "footer", "nav", "style", "script", "title"} {
		if p.count[name] != 1 {
			p.t.Errorf("got %d of <%s>, want one", p.count[name], name)
		}
	}
	for _, target := range p.targets {
		if !p.ids[target] {
			p.t.Errorf("got a reference to %q, which the page does not have", target)
		}
	}
}

// TestPolicy checks that the policy of the page allows its style and script, and
// nothing else.
func TestPolicy(t *testing.T) {
	root, err := html.Parse(strings.NewReader(htmlOf(t, documents(t)["faults"], 0)))
	if err != nil {
		t.Fatal(err)
	}
	hashes, policy := map[string]string{}, ""
	for n := range root.Descendants() {
		switch n.Data {
		case "style", "script":
			sum := sha256.Sum256([]byte(n.FirstChild.Data))
			hashes[n.Data] = "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
		case "meta":
			if kind, _ := attribute(n, "http-equiv"); kind == "Content-Security-Policy" {
				policy, _ = attribute(n, "content")
			}
		}
	}
	want := fmt.Sprintf("default-src 'none'; style-src %s; script-src %s; img-src data:; base-uri 'none'; form-action 'none'", hashes["style"], hashes["script"])
	if policy != want {
		t.Errorf("got  policy %s\nwant %s", policy, want)
	}
}

func TestShellIsSmall(t *testing.T) {
	const limit = 60 << 10
	if got := len(htmlOf(t, documents(t)["empty"], 0)); got > limit {
		t.Errorf("got %d bytes of a page without content, want %d at most", got, limit)
	}
}
