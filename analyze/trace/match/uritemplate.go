package match

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// pathCharacters are those that a glob of a URI template takes, RFC 3986's pchar.
const pathCharacters = `a-zA-Z0-9\-._~%!$&'()*+,;:@=`

const (
	maxTemplateVariables = 5
	maxVariableName      = 16
)

// URITemplate is a compiled path template of envoy.path.match.uri_template.v3.
type URITemplate struct {
	template string
	// regex matches the whole path, with the variables as named groups; nil where
	// the template is none, for the reason err.
	regex *regexp.Regexp
	err   error
}

// CompileURITemplate prepares a path template. It consists of literals, * for one
// segment, ** for any number of them, and {name} or {name=pattern}.
func CompileURITemplate(template string) *URITemplate {
	p := templateParser{rest: template, names: map[string]bool{}}
	if err := p.parse(); err != nil {
		return &URITemplate{template: template, err: fmt.Errorf("reading the path template %q: %w", template, err)}
	}
	regex, err := compileRE2(template, `\A`+p.out.String()+`\z`)
	return &URITemplate{template: template, regex: regex, err: err}
}

// Match answers for a path without query and fragment. The Condition of a Result
// that is not Yes is "uri_template".
func (t *URITemplate) Match(path string) Result {
	switch {
	case t.err != nil:
		return Unmodelled("uri_template", t.err.Error())
	case t.regex.MatchString(path):
		return Matched
	}
	return missed("uri_template", t.template, path)
}

type templateParser struct {
	rest     string
	out      strings.Builder
	names    map[string]bool
	textGlob bool // ** was seen, after which no other glob may come
}

func (p *templateParser) parse() error {
	if !strings.HasPrefix(p.rest, "/") {
		return errors.New("expected a leading slash")
	}
	for p.rest != "" {
		p.out.WriteByte('/')
		p.rest = p.rest[1:]
		if p.rest == "" {
			return nil
		}
		if err := p.segment(); err != nil {
			return err
		}
		if p.rest != "" && p.rest[0] != '/' {
			return p.suffix()
		}
	}
	return nil
}

// suffix is a literal behind a glob or a variable; it ends the template.
func (p *templateParser) suffix() error {
	if err := p.literal(); err != nil {
		return err
	}
	if p.rest != "" {
		return errors.New("expected nothing behind a suffix")
	}
	return nil
}

func (p *templateParser) segment() error {
	switch p.rest[0] {
	case '*':
		return p.glob()
	case '{':
		return p.variable()
	}
	return p.literal()
}

func (p *templateParser) literal() error {
	text, _, _ := strings.Cut(p.rest, "/")
	if text == "" || !isLiteral(text) {
		return fmt.Errorf("expected a literal segment, got %q", text)
	}
	p.rest = p.rest[len(text):]
	p.out.WriteString(regexp.QuoteMeta(text))
	return nil
}

// isLiteral reports whether a text has pathCharacters only, and no asterisk.
func isLiteral(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool {
		return !isAlphanumeric(r) && !strings.ContainsRune("-._~%!$&'()+,;:@=", r)
	}) < 0
}

func isAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

func (p *templateParser) glob() error {
	if p.textGlob {
		return errors.New("expected no glob behind **")
	}
	if rest, ok := strings.CutPrefix(p.rest, "**"); ok {
		p.rest, p.textGlob = rest, true
		p.out.WriteString("[" + pathCharacters + "/]*")
		return nil
	}
	p.rest = p.rest[1:]
	p.out.WriteString("[" + pathCharacters + "]+")
	return nil
}

func (p *templateParser) variable() error {
	body, rest, ok := strings.Cut(p.rest[1:], "}")
	if !ok {
		return errors.New("expected a closing brace")
	}
	name, pattern, explicit := strings.Cut(body, "=")
	if !isVariableName(name) || p.names[name] || len(p.names) == maxTemplateVariables {
		return fmt.Errorf("expected at most %d different variable names of 1 to %d letters, got %q", maxTemplateVariables, maxVariableName, name)
	}
	p.names[name] = true
	if !explicit {
		pattern = "*"
	}
	p.out.WriteString("(?P<" + name + ">")
	p.rest = pattern
	if err := p.variablePattern(); err != nil {
		return err
	}
	p.out.WriteByte(')')
	p.rest = rest
	return nil
}

// variablePattern is what stands behind the equals sign of a variable.
func (p *templateParser) variablePattern() error {
	for {
		if p.rest == "" || p.rest[0] == '{' {
			return errors.New("expected a pattern for a variable")
		}
		if err := p.segment(); err != nil {
			return err
		}
		if p.rest == "" {
			return nil
		}
		if p.rest[0] != '/' {
			return errors.New("expected a slash between the segments of a variable")
		}
		p.rest = p.rest[1:]
		p.out.WriteByte('/')
	}
}

func isVariableName(name string) bool {
	if name == "" || len(name) > maxVariableName || name[0] == '_' || '0' <= name[0] && name[0] <= '9' {
		return false
	}
	return strings.IndexFunc(name, func(r rune) bool { return !isAlphanumeric(r) && r != '_' }) < 0
}

// rewrite reads a path template of envoy.path.rewrite.uri_template.v3, whose
// variables are those of the match, as a replacement for its expression.
func (t *URITemplate) rewrite(template string) (string, error) {
	if t.err != nil {
		return "", t.err
	}
	if !strings.HasPrefix(template, "/") || strings.Contains(template, "//") {
		return "", fmt.Errorf("reading the path template %q: expected a leading slash and no empty segments", template)
	}
	var out strings.Builder
	for rest := template; rest != ""; {
		literal, after, variable := strings.Cut(rest, "{")
		out.WriteString(strings.ReplaceAll(literal, "$", "$$"))
		if !variable {
			break
		}
		name, next, ok := strings.Cut(after, "}")
		if !ok || name == "" || t.regex.SubexpIndex(name) < 0 {
			return "", fmt.Errorf("reading the path template %q: expected a variable of the match, got %q", template, name)
		}
		out.WriteString("${" + name + "}")
		rest = next
	}
	return out.String(), nil
}
