package event

// object reads the members of one object by key and type. The first member of a wrong type is noted
// in fault, which the objects of one piece share; what is read after it means nothing.
type object struct {
	members []member
	where   place
	fault   **fault
}

// raw is a member as it stands, nil when it is absent.
func (o object) raw(key string) []byte {
	for _, m := range o.members {
		if string(m.key) == key {
			return m.value
		}
	}
	return nil
}

// find is a member as it stands, nil when it is absent or null.
func (o object) find(key string) []byte {
	value := o.raw(key)
	if len(value) == 0 || value[0] == 'n' {
		return nil
	}
	return value
}

func (o object) has(key string) bool { return o.raw(key) != nil }

// is says whether a member is a string that is written just so.
func (o object) is(key, want string) bool {
	value := o.raw(key)
	return len(value) == len(want)+2 && value[0] == '"' && string(value[1:len(value)-1]) == want
}

// fail notes what is wrong with a member.
func (o object) fail(key, why string) {
	if *o.fault == nil {
		*o.fault = &fault{at: o.where.join(place(key)), why: why}
	}
}

// text is a string; "" when it is absent or null.
func (o object) text(key string) string {
	value := o.find(key)
	if value == nil {
		return ""
	}
	if value[0] == '"' && plain(value) {
		return string(value[1 : len(value)-1])
	}
	return string(o.content(key, value))
}

// bytes is a string that must be there.
func (o object) bytes(key string) []byte {
	value := o.find(key)
	if value == nil {
		o.fail(key, "is missing")
		return nil
	}
	return o.content(key, value)
}

func (o object) content(key string, value []byte) []byte {
	if value[0] != '"' {
		o.fail(key, "is "+kind(value)+", not a string")
		return nil
	}
	content, why := unescape(nil, value[1:len(value)-1])
	if why != "" {
		o.fail(key, why)
	}
	return content
}

// needed is a string that must be there and say something.
func (o object) needed(key string) string {
	text := o.text(key)
	switch value := o.find(key); {
	case value == nil:
		o.fail(key, "is missing")
	case text == "":
		o.fail(key, "is empty")
	}
	return text
}

// flag is a boolean, or a string that says "true": CloudTrail writes both.
func (o object) flag(key string) bool {
	value := o.find(key)
	if value == nil {
		return false
	}
	switch value[0] {
	case 't', 'f':
		return value[0] == 't'
	case '"':
		return o.is(key, "true")
	}
	o.fail(key, "is "+kind(value)+", not a boolean")
	return false
}

// object is an object; one without members when it is absent or null. It appends the members to *buf.
func (o object) object(key string, buf *[]member) object {
	inner := object{where: o.where.join(place(key)), fault: o.fault}
	value := o.find(key)
	if value == nil {
		return inner
	}
	if value[0] != '{' {
		o.fail(key, "is "+kind(value)+", not an object")
		return inner
	}
	bottom := len(*buf)
	all, f := members(value, *buf, 1<<20)
	if f != nil {
		o.fail(key, f.why)
		return inner
	}
	*buf = all
	inner.members = all[bottom:]
	return inner
}
