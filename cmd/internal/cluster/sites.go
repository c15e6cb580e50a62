package cluster

import (
	"strconv"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

func sitesJSON(sites []*tcpb.SiteStatus) []siteJSON {
	all := make([]siteJSON, 0, len(sites))
	for _, s := range sites {
		j := siteJSON{Site: s.Site, Lost: s.Lost, Heard: append([]string{}, s.Heard...), NodesLost: append([]string{}, s.NodesLost...), InService: s.InService}
		if s.Since != nil {
			j.Since = view.RFC3339(s.Since)
		}
		all = append(all, j)
	}
	return all
}

// siteTable is how the sites are, seen from the node that was asked.
func siteTable(sites []*tcpb.SiteStatus, now time.Time) *console.Table {
	t := &console.Table{Head: []string{"SITE", "STATE", "FOR", "HEARD", "LOST", "IN SERVICE"}, Right: map[int]bool{5: true}}
	for _, s := range sites {
		state, since := console.Tinted("● heard", console.Green), "-"
		switch {
		case s.Lost:
			state = console.Tinted("○ lost", console.Red)
		case len(s.Heard) == 0:
			state = console.Tinted("○ connecting", console.Yellow)
		case len(s.NodesLost) > 0:
			state = console.Tinted("◐ in part", console.Yellow)
		}
		if s.Since != nil {
			since = view.Age(now, s.Since)
		}
		t.Add(console.Text(s.Site), state, console.Text(since), console.Text(listed(s.Heard)), console.Text(listed(s.NodesLost)), console.Text(strconv.FormatUint(s.InService, 10)))
	}
	return t
}

// listed are names as a table has room for them.
func listed(names []string) string {
	const most = 4
	if len(names) > most {
		names = append(names[:most:most], "and "+strconv.Itoa(len(names)-most)+" more")
	}
	return console.Dash(strings.Join(names, ", "))
}
