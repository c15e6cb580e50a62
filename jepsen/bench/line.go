package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/line"
)

const (
	// lineTrip and lineLoss (percent each way) are those of the line between the sites.
	lineTrip, lineLoss = 250 * time.Millisecond, 2
	// lineRate is in calls/s.
	lineRate = 100
	// heldUp is how much longer than usual a request waits that a lost packet holds up.
	heldUp = 50 * time.Millisecond
	// lossGap lets the calls go on undisturbed between two losses.
	lossGap = 1500 * time.Millisecond
)

// longCalls measures calls between two of three sites that are far from each other: without
// loss, with one packet lost at a time, and with losses all the time. Everybody is asked who
// he is.
func (b *bench) longCalls(ctx context.Context) (err error) {
	if !b.namespaces {
		b.report.skipped("line", "calls over a long line", b.missing)
		return nil
	}
	x, err := b.exchangeOf(ctx, cluster.Config{Nodes: 3, Lines: true, Secured: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.close()) }()
	if err := x.SetPaths(line.Path{Delay: lineTrip / 2}); err != nil {
		return err
	}
	if _, _, err := x.across(ctx, 2); err != nil { // warm
		return err
	}
	seconds := 5 * b.seconds
	if b.full {
		seconds = 60
	}
	err = b.undisturbed(ctx, x, seconds/2)
	if err == nil {
		err = b.singleLosses(ctx, x, seconds)
	}
	if err == nil {
		err = b.losses(ctx, x, seconds)
	}
	return err
}

// across places calls from node 1 to phones of node 2.
func (x *exchange) across(ctx context.Context, seconds int) (result, []trip, error) {
	x.gateway.mu.Lock()
	x.gateway.trips = nil
	x.gateway.mu.Unlock()
	r, _, err := x.place(ctx, lineRate, seconds, func(i int) string { return x.dns[1][i%callDNs] })
	x.gateway.mu.Lock()
	defer x.gateway.mu.Unlock()
	return r, x.gateway.trips, err
}

// undisturbed measures calls while nothing is lost, and what the machine itself does to
// them: what is counted for losses at times at which there is none.
func (b *bench) undisturbed(ctx context.Context, x *exchange, seconds int) error {
	r, trips, err := x.across(ctx, seconds)
	if err != nil || len(trips) == 0 {
		return errors.Join(err, fmt.Errorf("no loss: %s", r.note()))
	}
	b.setUps(fmt.Sprintf("%v, no loss", lineTrip), &r)
	var none []loss
	for at := trips[0].sent; at.Before(trips[len(trips)-1].sent); at = at.Add(lossGap) {
		none = append(none, loss{at, len(none)%2 == 1})
	}
	counts, _ := held(none, trips)
	b.report.add("line", "times at which a loss would seem to hold up calls where there is none", float64(len(counts)), "", fmt.Sprintf("of %d", len(none)))
	return nil
}

// setUps notes how long calls took from INVITE to 200.
func (b *bench) setUps(what string, r *result) {
	what = fmt.Sprintf("%s, %d calls/s: INVITE to 200, ", what, lineRate)
	b.report.add("line", what+"p50", quantile(r.answered, 0.5), "ms", r.note())
	for _, q := range []float64{0.9, 0.99, 1} {
		b.report.add("line", fmt.Sprintf("the same, p%v", 100*q), quantile(r.answered, q), "ms", "")
	}
	b.report.lostOf("line", what[:len(what)-len(": INVITE to 200, ")]+": lost calls", r.placed-r.done, "")
}

// loss is a packet that was lost between nodes 1 and 2.
type loss struct {
	at   time.Time
	back bool // from node 2
}

// lossLog has all losses of what may be a message, and passes the latest one on.
type lossLog struct {
	mu  sync.Mutex
	all []loss
	one chan struct{}
}

func (l *lossLog) note(back bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, loss{time.Now(), back})
	select {
	case l.one <- struct{}{}:
	default:
	}
}

// carriesSIP tells whether a packet between nodes may carry a message of SIP: something of
// some length on a connection of the cluster port.
func carriesSIP(packet []byte) bool {
	const ethernet, tcp, least = 14, 6, 300
	port := func(at int) bool { return binary.BigEndian.Uint16(packet[at:]) == 7002 }
	return len(packet) > ethernet+40+least && packet[ethernet+9] == tcp && (port(ethernet+20) || port(ethernet+22))
}

func (x *exchange) watchLosses() (*lossLog, error) {
	l := &lossLog{one: make(chan struct{}, 1)}
	a, b := x.nodes[0], x.nodes[1]
	note := func(back bool) func([]byte) {
		return func(packet []byte) {
			if carriesSIP(packet) {
				l.note(back)
			}
		}
	}
	return l, errors.Join(x.OnLoss(a, b, note(false)), x.OnLoss(b, a, note(true)))
}

// singleLosses loses one message at a time and counts the calls that it holds up.
func (b *bench) singleLosses(ctx context.Context, x *exchange, seconds int) error {
	log, err := x.watchLosses()
	if err != nil {
		return err
	}
	placing, cancel := context.WithCancel(ctx)
	failed := make(chan error, 1)
	go func() { failed <- x.loseInTurn(placing, log) }()
	r, trips, err := x.across(ctx, seconds)
	cancel()
	if err = errors.Join(err, <-failed); err != nil {
		return err
	}
	b.setUps("one packet lost at a time", &r)
	counts, shares := held(log.all, trips)
	note := fmt.Sprintf("of %d losses; %d more were of messages that no call waits for", len(counts), len(log.all)-len(counts))
	b.report.add("line", "calls that one lost packet holds up, p50", quantile(counts, 0.5), "calls", note)
	b.report.add("line", "the same, most", quantile(counts, 1), "calls", "")
	for _, q := range []float64{0.5, 0.9} {
		b.report.add("line", fmt.Sprintf("the same, of the calls that send something meanwhile, p%v", 100*q), quantile(shares, q), "%", "")
	}
	b.report.below("line", "the same, most", quantile(shares, 1), "%", 100.0/8, 100.0/8)
	return nil
}

// held are the calls that each loss held up, and their shares in percent of all that sent
// something meanwhile; those that held up none are left out.
func held(losses []loss, trips []trip) (counts, shares []float64) {
	for _, l := range losses {
		if held, all := heldBy(l, trips); held > 0 {
			counts, shares = append(counts, float64(held)), append(shares, 100*float64(held)/float64(all))
		}
	}
	return counts, shares
}

// loseInTurn loses a message in one direction, then one in the other, until ctx ends.
func (x *exchange) loseInTurn(ctx context.Context, log *lossLog) error {
	for back := false; pause(ctx, lossGap) == nil; back = !back {
		a, b := x.nodes[0], x.nodes[1]
		if back {
			a, b = b, a
		}
		if err := x.Lose(a, b, carriesSIP); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-log.one:
		}
	}
	return nil
}

// heldBy counts the calls that a loss held up, and all those that sent something in its
// direction until it was made good. The one whose message was lost waits for a round trip at
// least; what went the same way behind it arrives together with it.
func heldBy(l loss, trips []trip) (held, all int) {
	const together, least = 30 * time.Millisecond, lineTrip * 9 / 10
	at := func(t trip) time.Duration {
		if l.back {
			return t.sent.Add(lineTrip / 2).Sub(l.at)
		}
		return t.sent.Sub(l.at)
	}
	made := time.Duration(0)
	for _, t := range trips {
		if d, late := at(t), t.took-lineTrip; d.Abs() <= together && late >= least {
			made = max(made, d+late)
		}
	}
	slow, sending := map[int]bool{}, map[int]bool{}
	for _, t := range trips {
		if d := at(t); d < -together || d > made || made == 0 {
			continue
		}
		sending[t.call] = true
		if late := t.took - lineTrip; late > together && (at(t)+late-made).Abs() <= together {
			slow[t.call] = true
		}
	}
	return len(slow), len(sending)
}

// losses measures calls while packets are lost all the time.
func (b *bench) losses(ctx context.Context, x *exchange, seconds int) error {
	log, err := x.watchLosses()
	if err == nil {
		err = x.SetPaths(line.Path{Delay: lineTrip / 2, Loss: lineLoss})
	}
	if err != nil {
		return err
	}
	r, trips, err := x.across(ctx, seconds)
	if err != nil {
		return err
	}
	b.setUps(fmt.Sprintf("%v, %d %% loss", lineTrip, lineLoss), &r)
	late := map[int]bool{}
	for _, t := range trips {
		if t.took >= lineTrip+heldUp {
			late[t.call] = true
		}
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	b.report.add("line", "calls held up", 100*float64(len(late))/float64(max(r.placed, 1)), "%", fmt.Sprintf("%d of %d", len(late), r.placed))
	b.report.add("line", "the same, for each lost packet that may carry a message", float64(len(late))/float64(max(len(log.all), 1)), "calls", fmt.Sprintf("%d packets", len(log.all)))
	return nil
}
