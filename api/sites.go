package api

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	bysite "github.com/sipcluster/sipcluster/node/site"
)

// Sites are those of the roster, ordered by name, by this node's verdicts on its peers. next is
// when time alone may change the answer; the zero time is never.
func Sites(view *fsm.View, table *dn.Table, peers []Peer, now time.Time) (states []bysite.State, next time.Time) {
	known := make(map[dn.Node]*Peer, len(peers))
	for i := range peers {
		known[peers[i].ID] = &peers[i]
	}
	var nodes []bysite.Node
	for _, n := range view.Nodes() {
		id := dn.Node(n.GetId())
		s := bysite.Node{Name: n.GetName(), Site: n.GetSite(), InService: table.OwnedBy(id)}
		switch p := known[id]; {
		case id == table.Self():
			s.Heard = true
		case p == nil: // it has just come to the roster
			s.Connecting, s.Since = true, now
		default:
			s.Heard, s.Connecting, s.Since = p.Reachable, p.Connecting, p.Since
		}
		nodes = append(nodes, s)
	}
	return bysite.Of(nodes, now)
}

func (c *Cluster) sites(view *fsm.View) (all []*tcpb.SiteStatus) {
	states, _ := Sites(view, c.cfg.Table, c.cfg.Observer.Peers(), time.Now())
	for _, s := range states {
		m := &tcpb.SiteStatus{Site: s.Site, Heard: s.Heard, NodesLost: s.Lost, InService: uint64(s.InService), Lost: s.Gone()}
		if !s.Since.IsZero() {
			m.Since = timestamppb.New(s.Since)
		}
		all = append(all, m)
	}
	return all
}

// SiteSource gives the samples of the sites.
type SiteSource func() []bysite.State

// Samples implements Source.
func (states SiteSource) Samples(emit func(Sample)) {
	for _, s := range states() {
		siteSamples(&s, emit)
	}
}

func siteSamples(s *bysite.State, emit func(Sample)) {
	gauge := func(name, help string, v float64) {
		emit(Sample{Name: name, Help: help, Label: "site", LabelValue: s.Site, Value: v})
	}
	gauge("site_lost", "1 while all nodes of the site are lost: its DNs get no calls from here.", number(s.Gone()))
	gauge("site_nodes_heard", "Nodes of the site that are heard, this one too.", float64(len(s.Heard)))
	gauge("site_dns_in_service", "DNs in service by the site's nodes, as this node sees it.", float64(s.InService))
}
