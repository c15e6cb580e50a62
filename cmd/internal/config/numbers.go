package config

import "github.com/sipcluster/sipcluster/api/configpb"

// numbersDoc are the number rules of a direction.
type numbersDoc struct {
	Called []ruleDoc `yaml:"called,omitempty"`
	Caller []ruleDoc `yaml:"caller,omitempty"`
}

type ruleDoc struct {
	Match   string `yaml:"match"`
	Strip   uint32 `yaml:"strip,omitempty"`
	Prepend string `yaml:"prepend,omitempty"`
}

type callerIDDoc struct {
	Number   string `yaml:"number,omitempty"`
	Name     string `yaml:"name,omitempty"`
	Withheld bool   `yaml:"withheld,omitempty"`
}

type registrationDoc struct {
	Domain   string `yaml:"domain,omitempty"`
	User     string `yaml:"user,omitempty"`
	Called   string `yaml:"called,omitempty"`
	ExpiresS uint32 `yaml:"expires_s,omitempty"`
}

type limitDoc struct {
	Calls     uint32 `yaml:"calls,omitempty"`
	CallsPerS uint32 `yaml:"calls_per_s,omitempty"`
}

// carrierDoc is what a trunk is told, and how much of it.
type carrierDoc struct {
	InboundNumbers    *numbersDoc  `yaml:"inbound_numbers,omitempty"`
	OutboundNumbers   *numbersDoc  `yaml:"outbound_numbers,omitempty"`
	CallerID          *callerIDDoc `yaml:"caller_id,omitempty,flow"`
	PreferredIdentity bool         `yaml:"preferred_identity,omitempty"`
	UserPhone         bool         `yaml:"user_phone,omitempty"`
	InboundLimit      *limitDoc    `yaml:"inbound_limit,omitempty,flow"`
	OutboundLimit     *limitDoc    `yaml:"outbound_limit,omitempty,flow"`
	// Registration with nothing in it takes the user of outbound_auth.
	Registration *registrationDoc `yaml:"registration,omitempty,flow"`
}

// config puts it into the trunk that the cluster stores.
func (c *carrierDoc) config(t *configpb.Trunk) {
	t.InboundNumbers, t.OutboundNumbers = c.InboundNumbers.config(), c.OutboundNumbers.config()
	t.CallerId, t.PreferredIdentity, t.UserPhone = c.CallerID.config(), c.PreferredIdentity, c.UserPhone
	t.InboundLimit, t.OutboundLimit = c.InboundLimit.config(), c.OutboundLimit.config()
	t.Registration = c.Registration.config()
}

func newCarrierDoc(t *configpb.Trunk) carrierDoc {
	return carrierDoc{
		InboundNumbers: newNumbersDoc(t.InboundNumbers), OutboundNumbers: newNumbersDoc(t.OutboundNumbers), CallerID: newCallerIDDoc(t.CallerId),
		PreferredIdentity: t.PreferredIdentity, UserPhone: t.UserPhone, InboundLimit: newLimitDoc(t.InboundLimit), OutboundLimit: newLimitDoc(t.OutboundLimit),
		Registration: newRegistrationDoc(t.Registration),
	}
}

func (n *numbersDoc) config() *configpb.NumberRules {
	if n == nil {
		return nil
	}
	rules := func(docs []ruleDoc) (all []*configpb.NumberRule) {
		for _, r := range docs {
			all = append(all, &configpb.NumberRule{Match: r.Match, Strip: r.Strip, Prepend: r.Prepend})
		}
		return all
	}
	return &configpb.NumberRules{Called: rules(n.Called), Caller: rules(n.Caller)}
}

func newNumbersDoc(n *configpb.NumberRules) *numbersDoc {
	if n == nil {
		return nil
	}
	docs := func(rules []*configpb.NumberRule) (all []ruleDoc) {
		for _, r := range rules {
			all = append(all, ruleDoc{r.Match, r.Strip, r.Prepend})
		}
		return all
	}
	return &numbersDoc{docs(n.Called), docs(n.Caller)}
}

func (c *callerIDDoc) config() *configpb.CallerID {
	if c == nil {
		return nil
	}
	return &configpb.CallerID{Number: c.Number, Name: c.Name, Withheld: c.Withheld}
}

func newCallerIDDoc(c *configpb.CallerID) *callerIDDoc {
	if c == nil {
		return nil
	}
	return &callerIDDoc{c.Number, c.Name, c.Withheld}
}

func (r *registrationDoc) config() *configpb.TrunkRegistration {
	if r == nil {
		return nil
	}
	return &configpb.TrunkRegistration{Domain: r.Domain, User: r.User, Called: r.Called, ExpiresS: r.ExpiresS}
}

func newRegistrationDoc(r *configpb.TrunkRegistration) *registrationDoc {
	if r == nil {
		return nil
	}
	return &registrationDoc{r.Domain, r.User, r.Called, r.ExpiresS}
}

func (l *limitDoc) config() *configpb.TrunkLimit {
	if l == nil {
		return nil
	}
	return &configpb.TrunkLimit{Calls: l.Calls, CallsPerS: l.CallsPerS}
}

func newLimitDoc(l *configpb.TrunkLimit) *limitDoc {
	if l == nil {
		return nil
	}
	return &limitDoc{l.Calls, l.CallsPerS}
}
