package history

import "time"

// entry is a line after the header: a time and one of the others.
type entry struct {
	At     time.Duration `json:"at"`
	Invoke *Op           `json:"invoke,omitempty"`
	Return *Op           `json:"return,omitempty"`
	Poll   *Poll         `json:"poll,omitempty"`
	Item   *Item         `json:"item,omitempty"`
	Status *Status       `json:"status,omitempty"`
	Sums   *Sums         `json:"sums,omitempty"`
	Holds  *Holds        `json:"holds,omitempty"`
	Dump   *Dump         `json:"dump,omitempty"`
	Fault  *faultEntry   `json:"fault,omitempty"`
	Life   *Life         `json:"life,omitempty"`
	Note   *Note         `json:"note,omitempty"`
	Stall  *Stall        `json:"stall,omitempty"`
}

// faultEntry is one phase of a fault. What it is comes with the first one.
type faultEntry struct {
	Phase Phase  `json:"phase"`
	ID    int64  `json:"id"`
	Fault *Fault `json:"fault,omitempty"`
}
