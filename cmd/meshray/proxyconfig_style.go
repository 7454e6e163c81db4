package main

import (
	"github.com/urfave/cli/v2"
)

// tableStyle is a generation of istioctl's tables: what its columns were.
type tableStyle struct {
	name string
	// destinationRule and outlierCheck are columns of clusters and endpoints.
	destinationRule, outlierCheck bool
	// chains is set where listeners have a row for every chain, with MATCH and DESTINATION.
	chains bool
	// addresses is the header of a listener's addresses.
	addresses string
	// routes is set where every route has a row; hostNames where it names the virtual host.
	routes, hostNames bool
	// note is set where routes begin with a note on what they do not contain.
	note bool
	// firstFilter is set where listeners are typed by their first filter, stand as captured, and
	// static ones are left out.
	firstFilter bool
}

// tableStyles lists the generations by the first release that had them, the latest first.
func tableStyles() []tableStyle {
	today := tableStyle{
		name: "today", destinationRule: true, outlierCheck: true, chains: true, addresses: "ADDRESSES", routes: true, hostNames: true,
	}
	v119 := today
	v119.name = "1.19"
	v118 := today
	v118.name, v118.addresses = "1.18", "ADDRESS"
	v17 := v118
	v17.name, v17.hostNames, v17.note = "1.7", false, true
	v11 := tableStyle{name: "1.1", addresses: "ADDRESS", note: true}
	v10 := v11
	v10.name, v10.firstFilter = "1.0", true
	return []tableStyle{today, v119, v118, v17, v11, v10}
}

func styleFlag() cli.Flag {
	var names []string
	for _, style := range tableStyles() {
		names = append(names, style.name)
	}
	return choiceFlag(&cli.StringFlag{
		Name: "style", Category: outputCategory, Usage: "use the columns of istioctl `VERSION`",
	}, names...)
}

func styleOf(c *cli.Context) tableStyle {
	for _, style := range tableStyles() {
		if style.name == c.String("style") {
			return style
		}
	}
	return tableStyles()[0]
}

// listenerLayout is the layout of listeners: rows for chains came with closer columns.
func (s tableStyle) listenerLayout() layout {
	l := istioctlLayout()
	if s.chains {
		l.padding = 1
	}
	return l
}
