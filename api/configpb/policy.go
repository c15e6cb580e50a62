package configpb

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Defaults of a Policy: what holds where nobody says anything.
const (
	DefaultRingTimeout = 15 * time.Second
	DefaultCoolDown    = 30 * time.Second
)

// Rules are a policy with all its fields filled in.
type Rules struct {
	// RingTimeout is how long an agent may ring.
	RingTimeout time.Duration
	NoAnswer    NoAnswerAction
	CoolDown    time.Duration
	// WrapUp is 0 where nobody has any.
	WrapUp      time.Duration
	DesktopLost DesktopLost
}

// RulesOf are what the policies say of a DN of that kind, the narrowest first: of each
// field the first that says it counts, else the default.
func RulesOf(kind DNKind, narrowest ...*Policy) Rules {
	r := Rules{
		RingTimeout: DefaultRingTimeout, NoAnswer: NoAnswerAction_NO_ANSWER_ACTION_NOT_READY, CoolDown: DefaultCoolDown,
		DesktopLost: DesktopLost_DESKTOP_LOST_KEEP,
	}
	if kind == DNKind_DN_KIND_PSTN {
		r.DesktopLost = DesktopLost_DESKTOP_LOST_NOT_READY
	}
	for i := len(narrowest) - 1; i >= 0; i-- {
		r.override(narrowest[i])
	}
	return r
}

// override takes what p says.
func (r *Rules) override(p *Policy) {
	if p == nil {
		return
	}
	if p.CoolDownS != nil {
		r.CoolDown = time.Duration(*p.CoolDownS) * time.Second
	}
	if p.WrapUpS != nil {
		r.WrapUp = time.Duration(*p.WrapUpS) * time.Second
	}
	if p.RingTimeoutMs != nil {
		r.RingTimeout = time.Duration(*p.RingTimeoutMs) * time.Millisecond
	}
	if p.NoAnswerAction != 0 {
		r.NoAnswer = p.NoAnswerAction
	}
	if p.DesktopLost != 0 {
		r.DesktopLost = p.DesktopLost
	}
}

// TakesCalls is how many calls the DN may have before it is busy.
func (x *DN) TakesCalls() int { return int(max(1, x.GetCapacity())) }

// policyWords are the words of a policy's enums, as documents and the command line know
// them.
var (
	noAnswerWords    = []string{"", "not-ready", "cool-down", "none"}
	desktopLostWords = []string{"", "keep", "not-ready", "logout"}
	featureWords     = []string{"", "login", "logout", "ready", "not-ready", "dnd-on", "dnd-off"}
	agentLoginWords  = []string{"", "refuse", "take-over"}
)

// Word is the action's word, "" for none.
func (a NoAnswerAction) Word() string { return wordOf(noAnswerWords, int(a)) }

// Word is the action's word, "" for none.
func (a DesktopLost) Word() string { return wordOf(desktopLostWords, int(a)) }

// Word is the action's word, "" for none.
func (a FeatureAction) Word() string { return wordOf(featureWords, int(a)) }

// Word is the rule's word, "" for none.
func (a AgentLogin) Word() string { return wordOf(agentLoginWords, int(a)) }

func wordOf(words []string, i int) string {
	if i < 0 || i >= len(words) {
		return ""
	}
	return words[i]
}

// ParseNoAnswer and ParseDesktopLost, ParseFeature, ParseAgentLogin read the words; ""
// is none. The error says which are possible.
func ParseNoAnswer(s string) (NoAnswerAction, error) {
	return parseWord[NoAnswerAction](noAnswerWords, s)
}

// ParseDesktopLost is as ParseNoAnswer.
func ParseDesktopLost(s string) (DesktopLost, error) {
	return parseWord[DesktopLost](desktopLostWords, s)
}

// ParseFeature is as ParseNoAnswer.
func ParseFeature(s string) (FeatureAction, error) { return parseWord[FeatureAction](featureWords, s) }

// ParseAgentLogin is as ParseNoAnswer.
func ParseAgentLogin(s string) (AgentLogin, error) { return parseWord[AgentLogin](agentLoginWords, s) }

func parseWord[E ~int32](words []string, s string) (E, error) {
	i := slices.Index(words, s)
	if i < 0 {
		return 0, fmt.Errorf("%.20q: want %s", s, strings.Join(words[1:], ", "))
	}
	return E(i), nil
}
