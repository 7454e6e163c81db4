package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/meshray/meshray/analyze/authz"
	"github.com/meshray/meshray/analyze/mesh"
)

// authzLayout is that of istioctl's table of policies.
func authzLayout() layout { return layout{padding: 3} }

// writeAuthzTables writes the tables one below the other. The first is written even where it
// has a header only.
func writeAuthzTables(w io.Writer, tables [][][]string, colored bool) error {
	for i, cells := range tables {
		if i > 0 && len(cells) < 2 {
			continue
		}
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := writeAuthzTable(w, cells, colored); err != nil {
			return err
		}
	}
	return nil
}

func writeAuthzTable(w io.Writer, cells [][]string, colored bool) error {
	var paint painter
	if colored {
		paint = paintAuthz
	}
	return writeTable(w, authzLayout(), cells, paint)
}

func paintAuthz(row, _ int, text string) style {
	switch {
	case row == 0:
		return bold
	case text == string(authz.Deny):
		return red
	case text == string(authz.Custom):
		return yellow
	case strings.HasSuffix(text, dryRunMark):
		return faint
	}
	return ""
}

const dryRunMark = " (dry run)"

func policyHeader() []string { return []string{"ACTION", "AuthorizationPolicy", "RULES"} }

// istioctlPolicies are the cells of istioctl's own table.
func istioctlPolicies(p *mesh.Proxy) [][]string {
	cells := [][]string{policyHeader()}
	for _, row := range authz.IstioctlRows(p) {
		cells = append(cells, []string{string(row.Action), row.Policy, strconv.Itoa(row.Rules)})
	}
	return cells
}

func policyCells(check authz.Check) [][]string {
	cells := [][]string{policyHeader()}
	for _, policy := range check.Policies {
		cells = append(cells, []string{actionText(policy), policy.String(), strconv.Itoa(policy.RuleCount())})
	}
	return cells
}

func actionText(p authz.Policy) string {
	if p.DryRun {
		return string(p.Action) + dryRunMark
	}
	return string(p.Action)
}

// ruleCells have a row for every rule and everything different that it was made into.
func ruleCells(check authz.Check) [][]string {
	cells := [][]string{{"ACTION", "AuthorizationPolicy", "RULE", "PORT", "CHAIN", "FILTER", "DEMANDS", "SOURCE"}}
	for _, policy := range check.Policies {
		for _, rule := range policy.Rules {
			index := "-"
			if rule.Index >= 0 {
				index = strconv.Itoa(rule.Index)
			}
			cells = append(cells, []string{
				actionText(policy), policy.String(), index, authzPorts(rule.Places), authzPlaces(rule.Places),
				rule.Filter, demandsText(rule), dash(policy.Source.String()),
			})
		}
	}
	return cells
}

func demandsText(rule authz.Rule) string {
	text := "anything"
	if len(rule.Demands) > 0 {
		text = strings.Join(rule.Demands, "; ")
	}
	if rule.Asks != "" {
		text += ": " + rule.Asks
	}
	return text
}

func authzPorts(places []authz.Place) string {
	var ports []string
	for _, place := range places {
		port := "*"
		if place.Port > 0 {
			port = strconv.Itoa(place.Port)
		}
		if !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	return listed(ports)
}

func authzPlaces(places []authz.Place) string {
	var texts []string
	for _, place := range places {
		if text := place.String(); !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return listed(texts)
}

// listed joins the first few of a list that may be long.
func listed(texts []string) string {
	const most = 4
	if more := len(texts) - most; more > 0 {
		return fmt.Sprintf("%s + %d more", strings.Join(texts[:most], ","), more)
	}
	return strings.Join(texts, ",")
}

func tokenCells(check authz.Check, wide bool) [][]string {
	cells := [][]string{{"JWT ISSUER", "TOKEN FROM", "NEED"}}
	if wide {
		cells[0] = append(cells[0], "AUDIENCES", "PATHS", "KEYS", "PORT", "CHAIN", "FILTER")
	}
	for _, token := range check.Tokens {
		issuer := token.Issuer
		if issuer == "" {
			issuer = "any"
		}
		row := []string{issuer, strings.Join(token.From, ", "), string(token.Need)}
		if wide {
			row = append(row, dash(strings.Join(token.Audiences, ",")), token.Paths, dash(token.Keys),
				authzPorts(token.Places), authzPlaces(token.Places), token.Filter)
		}
		if !slices.ContainsFunc(cells, func(known []string) bool { return slices.Equal(known, row) }) {
			cells = append(cells, row)
		}
	}
	return cells
}
