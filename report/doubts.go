package report

import (
	"slices"
	"strings"
)

// doubt is one reason why silence is no proof: something was not captured or
// not readable, or a rule could not judge.
type doubt struct {
	What Text
	// Of are the proxies that it is about; empty for the whole capture.
	Of  []Text
	Why Text
	// Command captures what is missing; empty where none does.
	Command Command
}

// doubts lists the causes before the rules that could not judge for them.
func (d *Document) doubts() []doubt {
	var out []doubt
	for _, gap := range d.Capture.Missing {
		if gap.Essential {
			out = append(out, doubt{What: Text(gap.What), Of: gap.Proxies, Why: Text("not captured: " + gap.Why), Command: gap.Command})
		}
	}
	for _, in := range d.Capture.Inputs {
		if in.Fate == fateDamaged || in.Fate == fateUnknown {
			out = append(out, doubt{What: in.Path, Why: Text(in.Fate+": ") + in.Reason})
		}
	}
	return append(out, d.skips()...)
}

// skips are the rules that could not judge, together where it is for the same
// proxies.
func (d *Document) skips() []doubt {
	type skip struct {
		rules, missing []string
		proxies        []Text
	}
	var skips []skip
	for _, s := range d.Unchecked {
		i := slices.IndexFunc(skips, func(known skip) bool { return slices.Equal(known.proxies, s.Proxies) })
		if i < 0 {
			i = len(skips)
			skips = append(skips, skip{proxies: s.Proxies})
		}
		skips[i].rules = append(skips[i].rules, s.Rule)
		for _, need := range s.Missing {
			if !slices.Contains(skips[i].missing, need) {
				skips[i].missing = append(skips[i].missing, need)
			}
		}
	}
	var out []doubt
	for _, s := range skips {
		word, verb := "rule", "needs"
		if len(s.rules) > 1 {
			word, verb = "rules", "need"
		}
		out = append(out, doubt{
			What: Text(word + " " + strings.Join(s.rules, ", ")), Of: s.proxies,
			Why: Text(verb + " what was not captured: " + strings.Join(s.missing, "; ")),
		})
	}
	return out
}
