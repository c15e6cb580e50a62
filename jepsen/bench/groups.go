package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

const (
	// groupCount is of how many groups the statistics are.
	groupCount = 500
	// groupAgents change what they do, groupRate times a second all together.
	groupAgents, groupRate = 1000, 1000
	// groupAnswers are asked for, one after the other.
	groupAnswers = 2000
)

// groups measures the statistics of groups: how long an answer takes, and what a watch of all
// groups costs its node while agents change. That is how much more it takes than a node
// without a watch, which hears of the same changes, beyond what it took more before.
func (b *bench) groups(ctx context.Context) (err error) {
	share := b.dns / 3
	l, err := b.lab(ctx, 3, []int{b.dns - 2*share, share, share}, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := l.grouped(ctx); err != nil {
		return err
	}
	d, err := sit(ctx, l.nodes[0], l.dns[0][:min(groupAgents, len(l.dns[0]))])
	if err != nil {
		return err
	}
	defer d.crowd.close()
	without, _, err := b.shuffled(ctx, l, d)
	if err != nil {
		return err
	}
	with, rate, told, err := b.watched(ctx, l, d)
	if err != nil {
		return err
	}
	b.report.below("groups", fmt.Sprintf("CPU of a watch of %d groups of %d DNs at %d changes/s, of one core", groupCount, b.dns, groupRate), max(0, 100*(with-without)), "%", 1, 0.5)
	b.report.add("groups", "changes", rate, "/s", fmt.Sprintf("%d messages of the watch", told))
	return b.groupAnswers(ctx, l)
}

// watched is shuffled while a client of node 2 watches all groups, and how often that was told.
func (b *bench) watched(ctx context.Context, l *lab, d *desk) (more, rate float64, told int, err error) {
	watch, end := context.WithCancel(ctx)
	defer end()
	stream, err := l.nodes[1].Statistics().WatchGroups(watch, &tcpb.WatchGroupsRequest{})
	if err == nil {
		_, err = stream.Recv() // everything is folded
	}
	if err != nil {
		return 0, 0, 0, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			if _, err := stream.Recv(); err != nil {
				return
			}
			told++
		}
	}()
	more, rate, err = b.shuffled(ctx, l, d)
	end()
	<-ended
	return more, rate, told, err
}

// grouped puts the DNs into the groups, a part of each node's into each, and registers them.
func (l *lab) grouped(ctx context.Context) error {
	var req configpb.WriteRequest
	for g := range groupCount {
		req.Mutations = append(req.Mutations, &configpb.Mutation{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: groupName(g)}}})
	}
	if _, err := l.nodes[0].Configuration().Write(ctx, &req); err != nil {
		return err
	}
	for _, dns := range l.dns {
		list := sipDNs(l.realm, dns)
		for i, d := range list {
			d.Groups = []string{groupName(i % groupCount)}
		}
		if err := l.nodes[0].PutDNs(ctx, list); err != nil {
			return err
		}
	}
	if err := l.register(ctx); err != nil {
		return err
	}
	want := 0
	for _, dns := range l.dns {
		want += len(dns) / groupCount // the last group has none of what remains
	}
	for _, n := range l.nodes {
		_, err := cluster.Eventually(ctx, 60*time.Second, "the last group's DNs are routable at "+n.Name(), func(ctx context.Context) error {
			got, err := n.Availability().ListRoutable(ctx, &tcpb.ListRoutableRequest{Filter: &tcpb.Filter{Group: groupName(groupCount - 1)}, PageSize: 10_000})
			if err == nil && len(got.GetDns()) < want {
				err = fmt.Errorf("%d of %d", len(got.GetDns()), want)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func groupName(g int) string { return fmt.Sprintf("group%d", g) }

// shuffled has agents of node 1 change for a while: how much more of a core node 2 took for
// it than node 3, and how many changes a second there were.
func (b *bench) shuffled(ctx context.Context, l *lab, d *desk) (more, rate float64, err error) {
	before, err := cpus(l.nodes)
	if err != nil {
		return 0, 0, err
	}
	d.answers.Store(0)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	start, asked, agents := time.Now(), 0, min(groupAgents, len(l.dns[0]))
	for took := time.Duration(0); took < time.Duration(b.seconds)*time.Second; took = time.Since(start) {
		for ; asked < int(took.Seconds()*groupRate); asked++ {
			if err := d.change(l.dns[0][int(d.asked)%agents], int(d.asked)/agents%2 == 0); err != nil {
				return 0, 0, err
			}
		}
		<-tick.C
	}
	if err := d.answered(ctx, asked); err != nil {
		return 0, 0, err
	}
	took := time.Since(start).Seconds()
	after, err := cpus(l.nodes)
	each, _ := spent(before, after)
	return (each[1] - each[2]).Seconds() / took, float64(asked) / took, err
}

// groupAnswers measures how long the statistics of all groups take, asked for at a node that
// has folded them.
func (b *bench) groupAnswers(ctx context.Context, l *lab) error {
	var took []float64
	go b.profiles(ctx, l.nodes[1], "groups", 3*time.Second)
	before, err := cpus(l.nodes)
	if err != nil {
		return err
	}
	for range groupAnswers {
		start := time.Now()
		got, err := l.nodes[1].Statistics().GetGroups(ctx, &tcpb.GetGroupsRequest{})
		if err != nil {
			return err
		}
		took = append(took, ms(time.Since(start)))
		sum := uint32(0)
		for _, r := range got.GetRows() {
			if r.GetGroup() == "" {
				sum += r.GetReady() + r.GetNotReady() + r.GetOutOfService()
			}
		}
		if sum != uint32(b.dns) {
			return fmt.Errorf("the statistics are of %d DNs, there are %d", sum, b.dns)
		}
	}
	after, err := cpus(l.nodes)
	each, _ := spent(before, after)
	b.report.below("groups", fmt.Sprintf("statistics of %d groups of %d DNs, p50", groupCount, b.dns), quantile(took, 0.5), "ms", 5, 2)
	b.report.below("groups", "the same, p99", quantile(took, 0.99), "ms", 5, 2)
	b.report.add("groups", "the same, CPU of the node", ms(each[1])/groupAnswers, "ms", "with what else it does")
	return err
}
