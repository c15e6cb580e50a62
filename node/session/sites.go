package session

import (
	"slices"
	"sync"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/site"
)

// sites are how the sites of the cluster are, and who wants to hear of it.
type sites struct {
	mu     sync.Mutex
	states []site.State
	lost   map[string]bool
	hear   map[*session]struct{}
}

// Sites says how the sites of the cluster are, and which of them count as lost. It waits for
// no client.
func (c *Controller) Sites(states []site.State, lost map[string]bool) {
	c.sites.mu.Lock()
	defer c.sites.mu.Unlock()
	c.sites.states, c.sites.lost = states, lost
	for s := range c.sites.hear {
		s.sites.Send()
	}
}

// gone are the names of the sites that are lost, in order.
func (ss *sites) gone() (names []string) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for name := range ss.lost {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (ss *sites) join(s *session) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.hear == nil {
		ss.hear = map[*session]struct{}{}
	}
	ss.hear[s] = struct{}{}
}

func (ss *sites) leave(s *session) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	delete(ss.hear, s)
}

// turned are the sites of which the lost flag differs from what was told, ordered by name.
func (ss *sites) turned(told map[string]bool) (states []site.State) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for _, s := range ss.states {
		if ss.lost[s.Site] != told[s.Site] {
			states = append(states, s)
		}
	}
	return states
}

// hearsOfSites tells whether the session can ask for events of sites.
func (s *session) hearsOfSites() bool { return s.port == TCport }

// tellSitesAnew has a client that begins to monitor hear of the sites that are lost.
func (s *session) tellSitesAnew() {
	s.toldSites = map[string]bool{}
	if !s.hearsOfSites() || !s.feeder.audience.monitor.names(tlibpb.EventKind_EVENT_KIND_SITE) {
		s.c.sites.leave(s)
		return
	}
	s.c.sites.join(s)
	s.tellSites(true)
}

// tellSites tells a client that asked for it what has changed about the sites since it was
// told last, as rows where it has just begun to monitor.
func (s *session) tellSites(rows bool) {
	if !s.feeder.audience.monitor.names(tlibpb.EventKind_EVENT_KIND_SITE) {
		return
	}
	for _, at := range s.c.sites.turned(s.toldSites) {
		e := &tlibpb.Event{Site: at.Site, Time: timestamppb.New(at.Since), Snapshot: rows}
		if s.toldSites[at.Site] {
			delete(s.toldSites, at.Site)
			e.Body = &tlibpb.Event_SiteBack{SiteBack: &tlibpb.EventSiteBack{Nodes: at.Heard}}
		} else {
			s.toldSites[at.Site] = true
			e.Body = &tlibpb.Event_SiteLost{SiteLost: &tlibpb.EventSiteLost{Nodes: at.Lost}}
		}
		s.out.add(e)
	}
}

// nearFirst are the nodes, those of a site first, in the order that they had.
func nearFirst(nodes []*configpb.Node, at string) []*configpb.Node {
	near := slices.Clone(nodes)
	slices.SortStableFunc(near, func(a, b *configpb.Node) int {
		switch here := a.GetSite() == at; {
		case here == (b.GetSite() == at):
			return 0
		case here:
			return -1
		}
		return 1
	})
	return near
}
