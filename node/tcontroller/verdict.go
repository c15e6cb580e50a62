package tcontroller

import "time"

// Loss bounds of the verdict.
const (
	// doubtAfter is how long nothing may come from a near peer until gossip is asked.
	doubtAfter = 250 * time.Millisecond
	// redialGrace is how long redials must fail before a link that broke
	// counts as a cut although gossip holds the peer alive.
	redialGrace = 250 * time.Millisecond
	// hungAfter is how long a link may stand silent once gossip holds the peer dead.
	hungAfter = 3 * time.Second
	// hungAlone is the same although gossip holds the peer alive: it takes longer
	// to give a peer up when others were lost at the same time. That the link
	// stands says only that the peer's machine is there.
	hungAlone = 3500 * time.Millisecond
	// stoodStill is how late the judge may be before that says more about this
	// process than about its peers.
	stoodStill = time.Second
)

// evidence is all that a verdict on a peer rests on.
type evidence struct {
	// up: the link stands. synced: on it, the peer's table came over whole.
	up, synced bool
	// refused: the link ended and a redial met a closed port.
	refused bool
	// bye: the peer said goodbye on the link.
	bye bool
	// gossipDead: gossip holds the peer dead.
	gossipDead bool
	// heard is the verdict so far.
	heard bool
	// silence is the time since anything arrived from the peer; down the time
	// since the link ended (0 while it stands).
	silence, down time.Duration
	// linkTimeout is the silence after which failing redials alone mean a cut.
	linkTimeout time.Duration
}

// died tells whether the peer's process is no more, heard or not: its calls ended
// with it. Those of one that was cut off go on.
func (e evidence) died() bool { return e.bye || !e.up && e.refused }

// verdict decides whether the peer is heard, and if not why. after is when
// time alone may change the answer; 0 is never.
func (e evidence) verdict() (heard bool, reason string, after time.Duration) {
	if !e.heard {
		if e.up && e.synced && !e.bye && !e.hung() {
			return true, "", e.patience()
		}
		return false, "", 0
	}
	switch {
	case e.bye:
		return false, "left", 0
	case !e.up && e.refused:
		return false, "process died", 0
	case !e.up && e.gossipDead:
		return false, "cut", 0
	case !e.up:
		after = max(e.linkTimeout-e.silence, redialGrace-e.down)
		if after <= 0 {
			return false, "link cut", 0
		}
		return true, "", after
	case e.hung():
		return false, "hung", 0
	}
	return true, "", e.patience()
}

// hung tells whether a link that stands has been silent for too long.
func (e evidence) hung() bool { return e.patience() <= 0 }

// patience is how much longer a link that stands may be silent.
func (e evidence) patience() time.Duration {
	if e.gossipDead {
		return hungAfter - e.silence
	}
	return hungAlone - e.silence
}
